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
// batch's next task: those that wait are chained through their tags, in the order in
// which they came. What is taken out leaves behind a ticket for nothing, which a
// worker drops.
type ring struct {
	tail   core.Guarded[uint64] // position after the newest
	end    core.Guarded[uint64] // position that tail may reach before openLocked is called again
	slots  core.Guarded[[]slot] // their number is a power of two
	head   core.Guarded[uint64] // position of the oldest
	tags   core.Guarded[[]tag]  // one for each slot; nil as long as no task has needed one
	tagged core.Guarded[int]    // tasks that have one
	taken  core.Guarded[int]    // tickets for nothing
	limit  int                  // the most slots in use
	low    int                  // the fill at which blocked submitters go on
}

const firstSlots = 64

// A slot is at index position mod size. It holds a task, or nil: a ticket for nothing.
type slot = core.Guarded[task]

// A tag is what there is to say of a task that is of a batch, or stays.
type tag struct {
	batch core.Guarded[*Batch] // nil for a task of the pool itself
	stays core.Guarded[uint64] // 0 if it need not; else 1 + position of the batch's next, if more of them wait
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

// tagAt returns a tag, which there must be.
func (r *ring) tagAt(pos uint64) *tag {
	tags := r.tags.Load()
	return &tags[pos&uint64(len(tags)-1)]
}

// tag gives the task at pos, which has none, a tag.
func (r *ring) tag(pos uint64) *tag {
	if r.tags.Load() == nil {
		r.tags.Store(make([]tag, len(r.slots.Load())))
	}
	r.tagged.Store(r.tagged.Load() + 1)
	return r.tagAt(pos)
}

// tagOf returns the tag of the task at pos, or nil if it has none.
func (r *ring) tagOf(pos uint64) *tag {
	if r.tagged.Load() == 0 {
		return nil
	}
	if at := r.tagAt(pos); at.batch.Load() != nil || at.stays.Load() > 0 {
		return at
	}
	return nil
}

// push puts a task at the end of the ring and returns its position.
func (r *ring) push(t task, b *Batch, stays bool) uint64 {
	pos := r.tail.Load()
	if r.len() == len(r.slots.Load()) {
		r.grow()
	}
	r.at(pos).Store(t)
	if b != nil || stays {
		at := r.tag(pos)
		at.batch.Store(b)
		if stays {
			at.stays.Store(1)
			b.chain(r, pos)
		}
	}
	r.tail.Store(pos + 1)
	return pos
}

// chain adds a task that stays to the chain of those of the batch that wait. b may be
// nil.
func (b *Batch) chain(r *ring, pos uint64) {
	if b == nil {
		return
	}
	if b.queued.Load() == 0 {
		b.head.Store(pos)
	} else {
		r.tagAt(b.tail.Load()).stays.Store(1 + pos)
	}
	b.tail.Store(pos)
	b.queued.Store(b.queued.Load() + 1)
}

// pushQuick is push, before end, of a task that need not stay. b is nil or has a task
// that has not ended.
func (r *ring) pushQuick(t task, b *Batch) {
	pos := r.tail.Load()
	r.at(pos).Store(t)
	if b != nil {
		r.tag(pos).batch.Store(b)
		b.active.Store(b.active.Load() + 1)
	}
	r.tail.Store(pos + 1)
}

// grow doubles the number of slots, all of which are in use. Positions stay.
func (r *ring) grow() {
	slots, tags := r.slots.Load(), r.tags.Load()
	r.slots.Store(make([]slot, 2*len(slots)))
	if tags != nil {
		r.tags.Store(make([]tag, 2*len(tags)))
	}
	for pos := r.head.Load(); pos != r.tail.Load(); pos++ {
		i := pos & uint64(len(slots)-1)
		r.at(pos).Store(slots[i].Load())
		if tags != nil {
			to := r.tagAt(pos)
			to.batch.Store(tags[i].batch.Load())
			to.stays.Store(tags[i].stays.Load())
		}
	}
}

// unpop puts the task back that was the last to be popped, and did not have to stay.
func (r *ring) unpop(t ticket) {
	if r.len() == len(r.slots.Load()) {
		r.grow()
	}
	pos := r.head.Load() - 1
	r.head.Store(pos)
	r.at(pos).Store(t.task)
	if t.batch != nil {
		r.tag(pos).batch.Store(t.batch)
	}
}

// popAll moves the oldest tasks, as long as they are of the given batch, or of none,
// and need not stay, to where there is place for so many, and returns their number.
func (r *ring) popAll(b *Batch, to []slot) int {
	head, n := r.head.Load(), min(len(to), r.len())
	if b != nil || r.tagged.Load() > 0 || r.taken.Load() > 0 {
		n = r.untag(b, head, n)
	}
	r.move(head, to[:n])
	r.head.Store(head + uint64(n))
	return n
}

// untag takes the tags, if b is not nil, of up to n tasks from pos on, and returns how
// many of them are of b and need not stay.
func (r *ring) untag(b *Batch, pos uint64, n int) int {
	if b == nil {
		return r.untagged(pos, n)
	}
	tags := r.tags.Load()
	i := 0
	for ; i < n; i++ {
		at := &tags[(pos+uint64(i))&uint64(len(tags)-1)]
		if at.batch.Load() != b || at.stays.Load() > 0 {
			break
		}
		at.batch.Store(nil)
	}
	r.tagged.Store(r.tagged.Load() - i)
	return i
}

// untagged returns how many of up to n tasks from pos on have no tag.
func (r *ring) untagged(pos uint64, n int) int {
	for i := range n {
		if r.tagOf(pos+uint64(i)) != nil || r.at(pos+uint64(i)).Load() == nil {
			return i
		}
	}
	return n
}

// move moves tasks, from pos on, to where there is place for just them.
func (r *ring) move(pos uint64, to []slot) {
	if core.RaceHidden {
		for i := range to { // the detector would see a copy
			to[i].Store(r.at(pos + uint64(i)).Load())
			r.at(pos + uint64(i)).Store(nil)
		}
		return
	}
	slots := r.slots.Load()
	from := slots[pos&uint64(len(slots)-1):]
	n := copy(to, from)
	clear(from[:n])
	rest := slots[:len(to)-n]
	copy(to[n:], rest)
	clear(rest)
}

// pop takes the oldest task, and drops the tickets for nothing before it.
func (r *ring) pop() (ticket, bool) {
	for head := r.head.Load(); head != r.tail.Load(); head++ {
		r.head.Store(head + 1)
		if r.at(head).Load() != nil {
			return r.clear(head), true
		}
		r.taken.Store(r.taken.Load() - 1)
	}
	return ticket{}, false
}

// take takes the task at pos, which has stayed, and is of no batch or the first of its
// batch.
func (r *ring) take(pos uint64) ticket {
	t := r.clear(pos)
	r.taken.Store(r.taken.Load() + 1)
	// Tickets for nothing at the end nearest to the workers need not wait for one.
	head := r.head.Load()
	for head != r.tail.Load() && r.at(head).Load() == nil {
		r.taken.Store(r.taken.Load() - 1)
		head++
	}
	r.head.Store(head)
	return t
}

// holds reports whether the task that was put at pos still waits there.
func (r *ring) holds(pos uint64) bool {
	return pos-r.head.Load() < r.tail.Load()-r.head.Load() && r.at(pos).Load() != nil
}

// clear takes the task at pos out, if it is of no batch or the first of its batch, and
// leaves nothing of it behind for the garbage collector to find.
func (r *ring) clear(pos uint64) ticket {
	at := r.at(pos)
	t := ticket{task: at.Load()}
	at.Store(nil)
	if tag := r.tagOf(pos); tag != nil {
		t.batch = tag.batch.Load()
		if stays := tag.stays.Load(); stays > 0 && t.batch != nil {
			t.batch.head.Store(stays - 1)
			t.batch.queued.Store(t.batch.queued.Load() - 1)
		}
		tag.batch.Store(nil)
		tag.stays.Store(0)
		r.tagged.Store(r.tagged.Load() - 1)
	}
	return t
}
