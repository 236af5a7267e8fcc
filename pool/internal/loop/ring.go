// This file holds the ring in which a stream keeps its items and results. Invariant: an item in
// flight has the same cell in every ring that a worker may still use.

package loop

import "sync/atomic"

const segmentSize = 64

// A cell holds an item and a result. The result is that of the same item if results are ordered.
type cell[T, R any] struct {
	item   T
	value  R
	failed *outcome      // nil if there is a result
	seq    atomic.Uint64 // the result's number, counted from 1; written after value and failed
}

type segment[T, R any] [segmentSize]cell[T, R]

// A ring maps numbers to cells. Its length is a power of two. Only the reader writes to it.
type ring[T, R any] []*segment[T, R]

// cell returns the cell of item or result k, which must be in flight.
func (r ring[T, R]) cell(k uint64) *cell[T, R] {
	return &r[k/segmentSize&uint64(len(r)-1)][k%segmentSize]
}

// slot returns the slot of the segment that begins with item k.
func (r ring[T, R]) slot(k uint64) **segment[T, R] {
	return &r[k/segmentSize&uint64(len(r)-1)]
}

// hasSlot reports whether the segment that begins with item k has a slot of its own, while
// the items from first on are in flight.
func (r ring[T, R]) hasSlot(k, first uint64) bool {
	return k/segmentSize-first/segmentSize < uint64(len(r))
}

// grown returns a ring of twice the size. The items from first to k-1 have the same cells in it as
// in r. r does not change, because workers may still use it.
func (r ring[T, R]) grown(k, first uint64) *ring[T, R] {
	larger := make(ring[T, R], 2*len(r))
	for at := first - first%segmentSize; at < k; at += segmentSize {
		*larger.slot(at) = *r.slot(at)
	}
	return &larger
}
