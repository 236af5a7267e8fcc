package pool

import (
	"math/bits"

	"github.com/coterie-go/coterie/core"
)

// A ring is the bounded queue of a pool's tasks; the pool's mu guards it.
//
// A slot that holds a task of a batch is a ticket for the batch's next task. The
// tasks of one batch that wait are chained through their slots, in the order in
// which they came, so that somebody who waits for the batch can take the first of
// them out of the middle of the ring. What that leaves behind is a ticket for
// nothing, which a worker drops.
type ring struct {
	slots      core.Guarded[[]core.Guarded[slot]] // their number is a power of two
	head, tail core.Guarded[uint64]               // positions: of the oldest, and after the newest
	taken      core.Guarded[int]                  // tickets for nothing
	limit      int                                // the most slots in use
	low        int                                // the fill at which blocked submitters go on
}

// A slot is at index position mod size.
type slot struct {
	task  task   // nil: a ticket for nothing
	batch *Batch // nil for a task of the pool itself
	next  uint64 // position of the batch's next task, if more of them wait
}

func (r *ring) init(limit int) {
	r.limit = limit
	// To hand over one task at a time costs a wake-up for each. A long queue is
	// let run half empty, so that a wake-up pays for many.
	r.low = limit - 1
	if limit >= 64 {
		r.low = limit / 2
	}
	r.slots.Store(make([]core.Guarded[slot], 1<<bits.Len(uint(limit-1))))
}

func (r *ring) len() int { return int(r.tail.Load() - r.head.Load()) }

func (r *ring) full() bool { return r.len() >= r.limit }

func (r *ring) at(pos uint64) *core.Guarded[slot] {
	slots := r.slots.Load()
	return &slots[pos&uint64(len(slots)-1)]
}

// push puts a task at the end of a ring that is not full and returns its position.
func (r *ring) push(t task, b *Batch) uint64 {
	pos := r.tail.Load()
	r.at(pos).Store(slot{task: t, batch: b})
	r.tail.Store(pos + 1)
	if b != nil {
		if b.queued.Load() == 0 {
			b.head.Store(pos)
		} else {
			last := r.at(b.tail.Load())
			s := last.Load()
			s.next = pos
			last.Store(s)
		}
		b.tail.Store(pos)
		b.queued.Store(b.queued.Load() + 1)
	}
	return pos
}

// pop takes the oldest task, drops the tickets for nothing before it, and leaves
// nothing of it behind for the garbage collector to find.
func (r *ring) pop() (s slot, ok bool) {
	for head := r.head.Load(); head != r.tail.Load(); head++ {
		at := r.at(head)
		s = at.Load()
		r.head.Store(head + 1)
		if s.task == nil {
			r.taken.Store(r.taken.Load() - 1)
			continue
		}
		at.Store(slot{})
		if s.batch != nil {
			s.batch.unchain(s)
		}
		return s, true
	}
	return slot{}, false
}

// take takes the task at pos, which is of no batch or the first of its batch.
func (r *ring) take(pos uint64) slot {
	at := r.at(pos)
	s := at.Load()
	at.Store(slot{})
	r.taken.Store(r.taken.Load() + 1)
	if s.batch != nil {
		s.batch.unchain(s)
	}
	// Tickets for nothing at the end nearest to the workers need not wait for one.
	head := r.head.Load()
	for ; head != r.tail.Load(); head++ {
		if ahead := r.at(head).Load(); ahead.task != nil {
			break
		}
		r.taken.Store(r.taken.Load() - 1)
	}
	r.head.Store(head)
	return s
}

// holds reports whether the task that was put at pos still waits there.
func (r *ring) holds(pos uint64) bool {
	return pos-r.head.Load() < r.tail.Load()-r.head.Load() && r.at(pos).Load().task != nil
}
