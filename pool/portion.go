package pool

import (
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// A portion is the oldest tasks that wait, all of one owner, which have been taken
// out of the ring together: workers take them one by one without the pool's mu, for
// one atomic operation each.
//
// Of a pool's portions only the current one can have tasks left, and they are older
// than what is in the ring. So tasks are begun in the order in which they were
// accepted, and none waits behind one that blocks while a worker looks for work.
// That somebody takes a task without mu cannot break the pool's invariant: it makes
// the tasks that wait fewer, and changes nothing else.
//
// A worker is attached to a portion from when it takes a task of it until it comes
// to take one and finds none left. An entry belongs to whoever has counted it in
// word's upper half, who reads it, and clears it before running the next task, or when
// detached. (Not at once, because another is about to read the entry behind it, and
// would have to fetch it from the processor that writes next to it.) Nobody has an entry
// when nobody is attached, so then they may be written anew.
//
// The pool's mu guards what is Guarded, but for the entries.
type portion struct {
	word atomic.Uint64 // how often a task has been taken, or asked for in vain, above 32 bits for the end of the entries
	_    [56]byte      // a cache line for word alone

	batch    core.Guarded[*Batch] // of all the tasks; nil for tasks of the pool itself
	attached core.Guarded[int]    // workers; the last task that each of them took has not been counted
	counted  core.Guarded[int]    // tasks that have been counted as ended
	next     core.Guarded[*portion]
	entries  [portionSize]core.Guarded[task]
}

const portionSize = 64

// take takes the oldest task that is left, and returns it and its entry's index, or
// returns nil.
func (g *portion) take() (t task, at uint32) {
	word := g.word.Add(1 << 32)
	at = uint32(word>>32) - 1
	if at >= uint32(word) {
		return nil, 0
	}
	return g.entries[at%portionSize].Load(), at
}

// clear clears an entry whose task has ended.
func (g *portion) clear(at uint32) { g.entries[at%portionSize].Store(nil) }

// split returns the number of entries that have been taken, and their end.
func split(word uint64) (taken, end int) {
	end = int(uint32(word))
	return min(int(word>>32), end), end
}

// left returns the number of tasks that nobody has taken.
func (g *portion) left() int {
	taken, end := split(g.word.Load())
	return end - taken
}

// close takes all tasks that are left away from the workers, and returns where they
// are.
func (g *portion) close() (from, end int) {
	for {
		word := g.word.Load()
		taken, end := split(word)
		if g.word.CompareAndSwap(word, uint64(taken)<<32|uint64(taken)) {
			return taken, end
		}
	}
}

// endedLocked returns the number of tasks that have ended and have not been
// counted: those that have been taken, but for each worker's last.
func (g *portion) endedLocked() int {
	taken, _ := split(g.word.Load())
	return taken - g.counted.Load() - g.attached.Load()
}

// leftLocked returns the number of tasks that are left in the current portion.
func (p *Pool) leftLocked() int {
	if g := p.portion.Load(); g != nil {
		return g.left()
	}
	return 0
}

// queuedLocked returns the number of places of the queue that are in use.
func (p *Pool) queuedLocked() int { return p.ring.len() + p.leftLocked() }

// portionLocked makes a portion of the tasks that come after t, which w has just
// taken out of the ring, and attaches w to it. It does nothing if there are none of
// the same owner, or if each task needs mu: in a pool with a name, whose tasks are
// recorded, with a short queue, and next to where submitters are to go on.
func (p *Pool) portionLocked(w *worker, t ticket) {
	n := min(portionSize-1, p.ring.len(), p.ring.limit/16-1)
	if p.submitters.front() != nil {
		n = min(n, p.ring.len()-1-p.admissionLocked()) // whoever takes the next lets them go on
	}
	if n < 1 || p.labels != nil {
		return
	}
	g := p.spares.Load()
	if g == nil {
		g = new(portion)
		p.spares.Store(g)
	}
	n = p.ring.popAll(t.batch, g.entries[1:1+n]) // the first entry stands for t
	if n == 0 {
		return
	}
	p.spares.Store(g.next.Load())
	g.next.Store(nil)
	g.batch.Store(t.batch)
	g.counted.Store(0)
	g.word.Store(1<<32 | uint64(1+n))
	p.portion.Store(g)
	p.attachLocked(w, g, 0)
}

// takePortionLocked takes a task of the current portion, if that has one left.
func (p *Pool) takePortionLocked(w *worker) (ticket, bool) {
	g := p.portion.Load()
	if g == nil {
		return ticket{}, false
	}
	if t, at := g.take(); t != nil {
		p.attachLocked(w, g, at)
		return ticket{t, g.batch.Load()}, true
	}
	p.portion.Store(nil)
	p.reuseLocked(g)
	return ticket{}, false
}

// recallLocked puts what is left of the current portion back into the ring.
func (p *Pool) recallLocked() {
	g := p.portion.Load()
	if g == nil {
		return
	}
	from, end := g.close()
	for i := end - 1; i >= from; i-- {
		p.ring.unpop(ticket{g.entries[i].Load(), g.batch.Load()})
		g.entries[i].Store(nil)
	}
	p.portion.Store(nil)
	p.reuseLocked(g)
	p.openLocked()
}

func (p *Pool) attachLocked(w *worker, g *portion, at uint32) {
	g.attached.Store(g.attached.Load() + 1)
	w.portion.Store(g)
	w.at = at
}

// detachLocked counts the tasks of a portion that a worker has run, and ended.
func (w *worker) detachLocked() {
	g := w.portion.Load()
	if g == nil {
		return
	}
	if b := w.turn.batch; b != nil {
		b.active.Store(b.active.Load() - w.due)
	}
	g.counted.Store(g.counted.Load() + w.due + 1)
	g.attached.Store(g.attached.Load() - 1)
	w.due = 0
	g.clear(w.at)
	w.portion.Store(nil)
	if g != w.pool.portion.Load() {
		w.pool.reuseLocked(g)
	}
}

// vacateLocked counts a worker that is awake no longer. A pool that has nothing to do
// then lets all portions go but one, and one that has nothing in the queue the batch
// that owns it.
func (p *Pool) vacateLocked() {
	p.vacant.Store(p.vacant.Load() + 1)
	if p.queuedLocked() > 0 {
		return
	}
	p.ring.owner.Store(nil)
	if g := p.portion.Load(); g != nil {
		p.portion.Store(nil)
		p.reuseLocked(g)
	}
	if g := p.spares.Load(); g != nil && p.vacant.Load() == p.limit.Load() {
		g.next.Store(nil)
	}
}

// reuseLocked keeps a portion that is not the current one, if nobody is attached.
func (p *Pool) reuseLocked(g *portion) {
	if g.attached.Load() > 0 {
		return
	}
	g.batch.Store(nil)
	g.next.Store(p.spares.Load())
	p.spares.Store(g)
}
