package pool

import (
	"math/bits"

	"github.com/coterie-go/coterie/core"
)

// A ring is the bounded queue of a pool's tasks; the pool's mu guards it.
//
// The ring has an owner, a batch or the pool itself, and a task without a tag is the
// owner's. A task of another one has a tag that says so. While no task goes without a
// tag, whoever brings the next that need not have one becomes the owner.
//
// A task stays in the ring until it is run if somebody who waits for it may take it
// out of the middle: a task that was submitted by another one of the pool, and that of
// a batch that was made by one. Such a task has a tag, too. A slot that holds one of a
// batch is a ticket for the batch's next task: those that wait are chained through
// their tags, in the order in which they came. What is taken out leaves behind a
// ticket for nothing, which a worker drops.
type ring struct {
	tail   core.Guarded[uint64] // position after the newest
	end    core.Guarded[uint64] // position that tail may reach before openLocked is called again
	owner  core.Guarded[*Batch] // of the tasks without a tag; nil for the pool itself
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

// A tag is what there is to say of a task that is not the owner's, or stays.
type tag struct {
	batch core.Guarded[*Batch] // nil for a task of the pool itself
	state core.Guarded[uint64]
}

// These are the states of a tag.
const (
	untagged = iota // for a task that is the owner's and need not stay, or for none
	goes            // for another that need not stay; its batch may have become the owner since
	stays           // for one that has to; plus 1 + position of the batch's next, if more of them wait
)

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
func (r *ring) tag(pos uint64, b *Batch, state uint64) {
	if r.tags.Load() == nil {
		r.tags.Store(make([]tag, len(r.slots.Load())))
	}
	r.tagged.Store(r.tagged.Load() + 1)
	at := r.tagAt(pos)
	at.batch.Store(b)
	at.state.Store(state)
}

// tagOf returns the tag of the task at pos, or nil if it has none.
func (r *ring) tagOf(pos uint64) *tag {
	if r.tagged.Load() == 0 {
		return nil
	}
	if at := r.tagAt(pos); at.state.Load() != untagged {
		return at
	}
	return nil
}

// own makes b the owner, if it is not, and may become it.
func (r *ring) own(b *Batch) bool {
	switch {
	case r.owner.Load() == b:
		return true
	case r.len() > r.tagged.Load()+r.taken.Load():
		return false
	}
	r.owner.Store(b)
	return true
}

// push puts a task at the end of the ring and returns its position.
func (r *ring) push(t task, b *Batch, staying bool) uint64 {
	pos := r.tail.Load()
	if r.len() == len(r.slots.Load()) {
		r.grow()
	}
	switch {
	case staying:
		r.tag(pos, b, stays)
		b.chain(r, pos)
	case !r.own(b):
		r.tag(pos, b, goes)
	}
	r.pushOwn(t)
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
		r.tagAt(b.tail.Load()).state.Store(stays + 1 + pos)
	}
	b.tail.Store(pos)
	b.queued.Store(b.queued.Load() + 1)
}

// pushOwn is push, before end, of a task of the owner's that need not stay, or of one
// that has been given its tag.
func (r *ring) pushOwn(t task) {
	pos := r.tail.Load()
	r.at(pos).Store(t)
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
			to.state.Store(tags[i].state.Load())
		}
	}
}

// unpop puts the task back that was the last to be popped, and did not have to stay.
func (r *ring) unpop(t ticket) {
	if r.len() == len(r.slots.Load()) {
		r.grow()
	}
	pos := r.head.Load() - 1
	if !r.own(t.batch) {
		r.tag(pos, t.batch, goes)
	}
	r.head.Store(pos)
	r.at(pos).Store(t.task)
}

// popAll moves the oldest tasks, as long as they are of b, or of the pool if that is nil,
// and need not stay, to where there is place for so many, and returns their number.
func (r *ring) popAll(b *Batch, to []slot) int {
	head, n := r.head.Load(), min(len(to), r.len())
	switch {
	case r.tagged.Load() > 0 || r.taken.Load() > 0:
		n = r.untag(b, head, n)
	case r.owner.Load() != b:
		return 0
	}
	r.move(head, to[:n])
	r.head.Store(head + uint64(n))
	return n
}

// untag takes the tags of up to n tasks from pos on, as long as they are of b and need
// not stay, and returns how many these are.
func (r *ring) untag(b *Batch, pos uint64, n int) int {
	isOwner := r.owner.Load() == b
	for i := range n {
		at := r.tagOf(pos + uint64(i))
		switch {
		case at == nil && isOwner && r.at(pos+uint64(i)).Load() != nil:
		case at != nil && at.state.Load() == goes && at.batch.Load() == b:
			r.untagAt(at)
		default:
			return i
		}
	}
	return n
}

func (r *ring) untagAt(at *tag) {
	at.batch.Store(nil)
	at.state.Store(untagged)
	r.tagged.Store(r.tagged.Load() - 1)
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

// holds reports whether the task that was put at pos, to stay, still waits there. What
// unpop may have put there since need not stay.
func (r *ring) holds(pos uint64) bool {
	if pos-r.head.Load() >= r.tail.Load()-r.head.Load() {
		return false
	}
	at := r.tagOf(pos)
	return at != nil && at.state.Load() >= stays
}

// clear takes the task at pos out, if it is of no batch or the first of its batch, and
// leaves nothing of it behind for the garbage collector to find.
func (r *ring) clear(pos uint64) ticket {
	at := r.at(pos)
	t := ticket{at.Load(), r.owner.Load()}
	at.Store(nil)
	if tag := r.tagOf(pos); tag != nil {
		t.batch = tag.batch.Load()
		if state := tag.state.Load(); state >= stays && t.batch != nil {
			t.batch.head.Store(state - stays - 1)
			t.batch.queued.Store(t.batch.queued.Load() - 1)
		}
		r.untagAt(tag)
	}
	return t
}
