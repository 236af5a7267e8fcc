package pool

import "sync/atomic"

// A span is the part of a loop that a worker has before it: the indexes from lo
// up to, and without, hi. The worker takes from the front, a few at a time; other
// workers take from the back.
type span struct {
	word atomic.Uint64 // lo in the high 32 bits, hi in the low 32
	next *span         // in the loop's list; written before the span is in it
}

// newSpan returns a span whose word has a cache line for itself.
func newSpan() *span {
	s := new(struct {
		span
		_ [48]byte
	})
	return &s.span
}

func pack(lo, hi uint32) uint64 { return uint64(lo)<<32 | uint64(hi) }

func unpack(word uint64) (lo, hi uint32) { return uint32(word >> 32), uint32(word) }

// left returns how many indexes nobody has taken.
func (s *span) left() int {
	lo, hi := unpack(s.word.Load())
	return int(hi - lo)
}

// set makes a span of the given indexes out of an empty one. Nobody else writes
// to an empty span.
func (s *span) set(lo, hi uint32) { s.word.Store(pack(lo, hi)) }

// take takes up to most indexes from the front, but, if there are others who may
// take from the back, no more than half of them. It returns lo == hi if the span is
// empty.
func (s *span) take(most uint32, others bool) (lo, hi uint32) {
	for {
		word := s.word.Load()
		lo, hi := unpack(word)
		if lo == hi {
			return lo, lo
		}
		n := min(most, hi-lo)
		if others {
			n = min(n, (hi-lo+1)/2)
		}
		end := lo + n
		if s.word.CompareAndSwap(word, pack(end, hi)) {
			return lo, end
		}
	}
}

// split takes the back half. It returns lo == hi if the span is empty.
func (s *span) split() (lo, hi uint32) {
	for {
		word := s.word.Load()
		lo, hi := unpack(word)
		if lo == hi {
			return lo, lo
		}
		middle := lo + (hi-lo)/2
		if s.word.CompareAndSwap(word, pack(lo, middle)) {
			return middle, hi
		}
	}
}
