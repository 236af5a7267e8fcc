package pool

import (
	"math/bits"

	"github.com/coterie-go/coterie/core"
)

// A ring is the bounded queue of a pool's tasks; the pool's mu guards it.
//
// A task stays in the ring until it is run if somebody who waits for it may take it
// out of the middle: a task that was submitted by another one of the pool, and that of
// a batch that was made by one. A slot that holds one of a batch is a ticket for the
// batch's next task: those that wait are chained through their slots, in the order in
// which they came. What is taken out leaves behind a ticket for nothing, which a
// worker drops.
type ring struct {
	tail  core.Guarded[uint64] // position after the newest
	end   core.Guarded[uint64] // position that tail may reach before openLocked is called again
	slots core.Guarded[[]slot] // their number is a power of two
	head  core.Guarded[uint64] // position of the oldest
	taken core.Guarded[int]    // tickets for nothing
	limit int                  // the most slots in use
	low   int                  // the fill at which blocked submitters go on
}

const firstSlots = 64

// A slot is at index position mod size.
type slot struct {
	task  core.Guarded[task]   // nil: a ticket for nothing
	batch core.Guarded[*Batch] // nil for a task of the pool itself
	stays core.Guarded[bool]
	next  core.Guarded[uint64] // position of the batch's next task, if it stays and more of them wait
}

// A ticket is a task and the batch that it belongs to, or nil.
type ticket struct {
	task  task
	batch *Batch
}

func (r *ring) init(limit int) {
	r.limit = limit
	// To hand over one task at a time costs a wake-up for each. A long queue is
	// let run half empty, so that a wake-up pays for many.
	r.low = limit - 1
	if r.isLong() {
		r.low = limit / 2
	}
	r.slots.Store(make([]slot, min(firstSlots, 1<<bits.Len(uint(limit-1)))))
}

func (r *ring) isLong() bool { return r.limit >= 64 }

func (r *ring) len() int { return int(r.tail.Load() - r.head.Load()) }

// waiting returns the number of tasks in the ring.
func (r *ring) waiting() int { return r.len() - r.taken.Load() }

func (r *ring) at(pos uint64) *slot {
	slots := r.slots.Load()
	return &slots[pos&uint64(len(slots)-1)]
}

// push puts a task at the end of the ring and returns its position.
func (r *ring) push(t task, b *Batch, stays bool) uint64 {
	pos := r.tail.Load()
	if r.len() == len(r.slots.Load()) {
		r.grow()
	}
	at := r.at(pos)
	at.task.Store(t)
	if b != nil {
		at.batch.Store(b)
	}
	if stays {
		at.stays.Store(true)
	}
	if stays && b != nil {
		if b.queued.Load() == 0 {
			b.head.Store(pos)
		} else {
			r.at(b.tail.Load()).next.Store(pos)
		}
		b.tail.Store(pos)
		b.queued.Store(b.queued.Load() + 1)
	}
	r.tail.Store(pos + 1)
	return pos
}

// pushQuick is push, before end, of a task that need not stay. b is nil or has a task
// that has not ended.
func (r *ring) pushQuick(t task, b *Batch) {
	pos := r.tail.Load()
	at := r.at(pos)
	at.task.Store(t)
	if b != nil {
		at.batch.Store(b)
		b.active.Store(b.active.Load() + 1)
	}
	r.tail.Store(pos + 1)
}

// grow doubles the number of slots, all of which are in use. Positions stay.
func (r *ring) grow() {
	old := r.slots.Load()
	r.slots.Store(make([]slot, 2*len(old)))
	for pos := r.head.Load(); pos != r.tail.Load(); pos++ {
		from, to := &old[pos&uint64(len(old)-1)], r.at(pos)
		to.task.Store(from.task.Load())
		to.batch.Store(from.batch.Load())
		to.stays.Store(from.stays.Load())
		to.next.Store(from.next.Load())
	}
}

// unpop puts the task back that was the last to be popped, and did not have to stay.
func (r *ring) unpop(t ticket) {
	if r.len() == len(r.slots.Load()) {
		r.grow()
	}
	r.head.Store(r.head.Load() - 1)
	at := r.at(r.head.Load())
	at.task.Store(t.task)
	at.batch.Store(t.batch)
}

// popAll moves the oldest tasks, as long as they are of the given batch, or of none,
// and need not stay, to where there is place for so many, and returns their number.
func (r *ring) popAll(b *Batch, to []core.Guarded[task]) int {
	head, slots := r.head.Load(), r.slots.Load()
	n := 0
	for ; n < len(to) && head+uint64(n) != r.tail.Load(); n++ {
		at := &slots[(head+uint64(n))&uint64(len(slots)-1)]
		t := at.task.Load()
		if t == nil || at.batch.Load() != b || at.stays.Load() {
			break
		}
		to[n].Store(t)
		at.task.Store(nil)
		if b != nil {
			at.batch.Store(nil)
		}
	}
	r.head.Store(head + uint64(n))
	return n
}

// pop takes the oldest task, and drops the tickets for nothing before it.
func (r *ring) pop() (ticket, bool) {
	for head := r.head.Load(); head != r.tail.Load(); head++ {
		at := r.at(head)
		r.head.Store(head + 1)
		if at.task.Load() != nil {
			return at.clear(), true
		}
		r.taken.Store(r.taken.Load() - 1)
	}
	return ticket{}, false
}

// take takes the task at pos, which has stayed, and is of no batch or the first of its
// batch.
func (r *ring) take(pos uint64) ticket {
	t := r.at(pos).clear()
	r.taken.Store(r.taken.Load() + 1)
	// Tickets for nothing at the end nearest to the workers need not wait for one.
	head := r.head.Load()
	for head != r.tail.Load() && r.at(head).task.Load() == nil {
		r.taken.Store(r.taken.Load() - 1)
		head++
	}
	r.head.Store(head)
	return t
}

// holds reports whether the task that was put at pos still waits there.
func (r *ring) holds(pos uint64) bool {
	return pos-r.head.Load() < r.tail.Load()-r.head.Load() && r.at(pos).task.Load() != nil
}

// clear takes the task out, if it is of no batch or the first of its batch, and
// leaves nothing of it behind for the garbage collector to find.
func (s *slot) clear() ticket {
	t := ticket{s.task.Load(), s.batch.Load()}
	s.task.Store(nil)
	if t.batch != nil {
		s.batch.Store(nil)
	}
	if s.stays.Load() {
		s.stays.Store(false)
		if b := t.batch; b != nil {
			b.head.Store(s.next.Load())
			b.queued.Store(b.queued.Load() - 1)
		}
	}
	return t
}
