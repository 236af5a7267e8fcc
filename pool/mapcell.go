package pool

import "sync/atomic"

type segment[T, R any] [segmentSize]cell[T, R]

// A cell of the ring has place for an item, and for a result, which is that of
// the same item if results are ordered.
type cell[T, R any] struct {
	item  T
	value R
	bad   *outcome      // nil if there is a result
	stamp atomic.Uint64 // the result's number, counted from 1; written after value and bad
}
