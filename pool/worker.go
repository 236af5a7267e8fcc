package pool

import (
	"cmp"
	"context"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A worker is one of a pool's goroutines. The pool's mu guards the fields that are
// Guarded; the others are the worker's own.
type worker struct {
	pool    *Pool
	turn    turn   // of the task that it runs
	ran     bool   // there is a task in turn
	spare   bool   // see Pool
	settled bool   // nothing is to be noted about its task, if it has one, or about the next
	due     int    // tasks of the portion that it has run, and not counted
	at      uint32 // the index in the portion of the task that it runs
	streak  int    // how often it has found a task since it was idle, up to longStreak
	resets  bool   // has to set its timer before it parks

	portion core.Guarded[*portion] // that it is attached to; written with mu held, by the worker

	listed       core.Guarded[bool]
	prev, next   core.Guarded[*worker]
	above, below core.Guarded[*worker]
	isIdle       core.Guarded[bool]
	since        core.Guarded[time.Time]        // when it became idle
	timer        core.Guarded[*time.Timer]      // calls expire; nil until the worker has been idle
	timed        core.Guarded[bool]             // the timer is set, or about to be
	wake         core.Guarded[chan bool]        // made by the worker, so it belongs to its bubble; holds one
	record       core.Guarded[group.TaskRecord] // of the task that it runs; its name is empty for none
}

// work is the life of a worker.
func (p *Pool) work() {
	p.born.Load()
	w := &worker{pool: p, spare: true}
	w.wake.Store(make(chan bool, 1))
	w.record.Store(group.TaskRecord{Goroutine: group.GoroutineID()})
	pprof.SetGoroutineLabels(p.unlabelled())
	exits := true
	defer func() {
		if exits && w.turn.end.Load() != crashed {
			w.leave()
		}
	}()
	for again := true; again; {
		again = false
		core.Call(w.serve, func(pe *core.PanicError) {
			p.aborted(&w.turn, pe)
			again = true
		})
	}
	exits = false
}

// serve runs one task after another.
func (w *worker) serve() {
	for w.take() {
		w.pool.execute(&w.turn)
		if g := w.portion.Load(); g != nil {
			w.servePortion(g)
		}
	}
}

// servePortion runs tasks of the portion that the worker is attached to, until none is
// left or there is something to be seen to.
func (w *worker) servePortion(g *portion) {
	for w.turn.end.Load() == completed {
		core.RaceDisable()
		t, at := g.take()
		core.RaceEnable()
		if t == nil {
			return
		}
		g.clear(w.at)
		w.at, w.turn.task = at, t
		w.due++
		if f, ok := t.(plain); ok && !core.RaceHidden {
			f()
		} else {
			w.pool.execute(&w.turn)
		}
	}
}

// take ends the task that the worker has run, if it has run one, and takes the
// next, for which it waits. It reports false when the worker has to exit.
func (w *worker) take() bool {
	var now time.Time
	if w.pool.labels != nil {
		now = time.Now()
	}
	core.RaceDisable()
	w.pool.mu.Lock()
	taken, lingered := w.takeFast(), 0
	if !taken && w.lingerFast() {
		w.pool.mu.Unlock()
		core.RaceEnable()
		runtime.Gosched() // as in takeSlow
		core.RaceDisable()
		w.pool.mu.Lock()
		taken, lingered = w.takeFast(), 1
	}
	if !taken {
		return w.takeSlow(now, lingered)
	}
	w.pool.mu.Unlock()
	core.RaceEnable()
	return true
}

// takeFast is called with mu held. It ends a task, if the worker has one, and takes the
// next if there is nothing more to it: if there is nothing to be counted about the one
// or noted about the other, and nobody is to be woken or to leave.
func (w *worker) takeFast() bool {
	p := w.pool
	head := p.ring.head.Load()
	left := p.ring.tail.Load() - head
	if !w.settled || left == 0 || w.turn.end.Load() != completed || p.portion.Load() != nil || w.portion.Load() != nil {
		return false
	}
	left--
	others := p.spare.Load()
	if w.spare {
		others--
	}
	switch vacant := p.vacant.Load(); {
	case vacant < 0, vacant > 0 && left > 0 && others == 0:
		return false
	case p.submitters.front() != nil && int(left) <= p.admissionLocked():
		return false
	}
	if p.ring.at(head).Load() == nil {
		return false
	}
	if b := w.turn.batch; b != nil {
		active := b.active.Load() - 1
		if active == 0 {
			return false
		}
		b.active.Store(active)
	}
	w.unspareLocked()
	w.ran = true
	p.ring.head.Store(head + 1)
	w.turn.ticket = p.ring.clear(head)
	p.portionLocked(w, w.turn.ticket)
	return true
}

// lingerFast is called with mu held. It ends a task and makes the worker spare if there
// is no other, and nothing more to it.
func (w *worker) lingerFast() bool {
	p := w.pool
	switch {
	case !w.settled || w.turn.batch != nil || w.turn.end.Load() != completed || w.portion.Load() != nil,
		p.ring.len() > 0 || p.portion.Load() != nil || p.submitters.front() != nil,
		p.vacant.Load() < 0 || p.closed.Load():
		return false
	}
	w.ran = false
	w.turn.ticket = ticket{}
	w.spareLocked()
	w.settled = w.streak == longStreak && !w.timed.Load()
	return true
}

// takeSlow is called with mu held and the race detector disabled.
func (w *worker) takeSlow(now time.Time, lingered int) bool {
	p := w.pool
	for ; ; lingered++ {
		done := w.endLocked()
		surplus := p.vacant.Load() < 0
		found := !surplus && w.takeLocked(now)
		admitted := p.admitLocked()
		if admitted.first != nil && !found && !surplus {
			found = w.takeLocked(now)
		}
		stays, stops := found, found && w.stopsLocked()
		lingers := !found && lingered < w.patience() && !surplus && !p.closed.Load()
		switch {
		case lingers:
			w.spareLocked()
		case !found:
			stays = w.restLocked()
		}
		var roused rousing
		if p.lacksLocked() {
			p.rouseLocked(&roused)
		}
		p.mu.Unlock()
		p.rouse(&roused)
		woke := admitted.wake()
		core.RaceEnable()
		if done != nil {
			done.done(p)
		}
		switch {
		case found:
			if stops {
				w.timer.Load().Stop()
			}
			if woke {
				runtime.Gosched() // hands the time slice on to those who have been woken
			}
			return true
		case lingers:
			// Whoever waited for the task may be about to submit another. To
			// let them first costs less than to park and be woken.
			runtime.Gosched()
		default:
			p.working.Done()
			if !stays || !w.park() {
				w.stopTimer()
				p.alive.Done()
				return false
			}
		}
		if p.labels != nil {
			now = time.Now()
		}
		core.RaceDisable()
		p.mu.Lock()
	}
}

// patience returns how often the worker yields before it parks. It is twice for one that
// has been kept busy: one in sixty times the scheduler lets whoever yields go on at
// once, before those who are ready, and would so break a chain of tasks each of which
// is awaited before the next is submitted.
func (w *worker) patience() int {
	if w.streak == longStreak {
		return 2
	}
	return 1
}

// endLocked ends the turn, if there is one, and returns its batch if that is done.
func (w *worker) endLocked() *Batch {
	if !w.ran {
		return nil
	}
	w.ran = false
	w.detachLocked()
	b := w.turn.batch
	last := w.pool.endLocked(&w.turn)
	w.turn.ticket = ticket{}
	if last {
		return b
	}
	return nil
}

// takeLocked takes a task, if there is one.
func (w *worker) takeLocked(now time.Time) bool {
	p := w.pool
	t, ok := p.takePortionLocked(w)
	if !ok {
		if t, ok = p.ring.pop(); !ok {
			return false
		}
		p.portionLocked(w, t)
	}
	w.turn.ticket, w.ran = t, true
	w.settled = p.labels == nil
	w.unspareLocked()
	if !w.listed.Load() {
		p.listLocked(w)
	}
	if p.labels != nil {
		name := cmp.Or(nameOf(t.task), p.options.Name)
		w.record.Store(group.TaskRecord{Name: name, Started: now, Goroutine: w.record.Load().Goroutine})
	}
	return true
}

func (w *worker) spareLocked() {
	if !w.spare {
		w.spare, w.settled = true, false
		w.pool.spare.Store(w.pool.spare.Load() + 1)
	}
}

func (w *worker) unspareLocked() {
	if w.spare {
		w.spare = false
		w.pool.spare.Store(w.pool.spare.Load() - 1)
	}
}

// restLocked makes a worker that has found no task idle, or takes its leave and
// reports false.
func (w *worker) restLocked() bool {
	p := w.pool
	p.vacateLocked()
	w.settled = false
	w.unspareLocked()
	if p.labels != nil {
		w.record.Store(group.TaskRecord{Goroutine: w.record.Load().Goroutine})
	}
	if p.closed.Load() || p.workers.Load() > int(p.limit.Load()) {
		p.unlistLocked(w)
		return false
	}
	if !w.listed.Load() { // another has taken what it was started for
		p.listLocked(w)
	}
	p.enterIdleLocked(w)
	w.streak, w.resets = 0, !w.timed.Load()
	w.timed.Store(true)
	return true
}

// leave is called when the goroutine exits in the middle of a task.
func (w *worker) leave() {
	p := w.pool
	core.RaceDisable()
	p.mu.Lock()
	done := w.endLocked()
	p.vacateLocked()
	p.unlistLocked(w)
	var roused rousing
	if p.lacksLocked() {
		p.rouseLocked(&roused)
	}
	p.mu.Unlock()
	p.rouse(&roused)
	core.RaceEnable()
	if done != nil {
		done.done(p)
	}
	w.stopTimer()
	p.working.Done()
	p.alive.Done()
}

// park waits to be woken, and reports false if it has waited too long; the worker
// has left the pool then.
//
// A timer in the select, or one that is set for each wait, would cost more than the
// rest of the waiting. So the timer runs on for a while when the worker works again.
// When it fires it looks whether the worker has been idle for long enough.
func (w *worker) park() bool {
	p := w.pool
	core.RaceDisable()
	defer core.RaceEnable()
	if w.timer.Load() == nil {
		p.mu.Lock() // for expire, which may be called at once
		w.timer.Store(time.AfterFunc(p.options.IdleAfter, func() { p.expire(w) }))
		p.mu.Unlock()
	} else if w.resets {
		w.timer.Load().Reset(p.options.IdleAfter)
	}
	if !<-w.wake.Load() {
		return false
	}
	w.spare = true
	return true
}

// longStreak is how often a worker has found a task when it stops its timer. While a
// timer is set, its processor's scheduler looks at the clock whenever it switches
// goroutines, and to hand over a task one by one takes a sixth longer.
const longStreak = 16

// stopsLocked reports, when the worker has found a task, whether it is to stop its
// timer.
func (w *worker) stopsLocked() bool {
	if w.streak < longStreak {
		w.streak++
		return false
	}
	stops := w.timed.Load()
	w.timed.Store(false)
	return stops
}

func (w *worker) stopTimer() {
	if timer := w.timer.Load(); timer != nil {
		timer.Stop()
	}
}

// expire is called by the timer of w, of which it uses what is Guarded. It ends the
// worker if that has been idle for as long as it may, and if it has been for less, sets
// the timer for when that will be so.
func (p *Pool) expire(w *worker) {
	p.born.Load()
	core.RaceDisable()
	defer core.RaceEnable()
	p.mu.Lock()
	if !w.listed.Load() {
		p.mu.Unlock()
		return
	}
	if !w.isIdle.Load() {
		w.timed.Store(false)
		p.mu.Unlock()
		return
	}
	timer := w.timer.Load()
	rest := p.options.IdleAfter - time.Since(w.since.Load())
	if rest <= 0 {
		p.leaveIdleLocked(w)
		p.unlistLocked(w)
	}
	p.mu.Unlock()
	if rest <= 0 {
		w.wake.Load() <- false
	} else {
		timer.Reset(rest)
	}
}

func (p *Pool) enterIdleLocked(w *worker) {
	top := p.idle.Load()
	w.isIdle.Store(true)
	w.since.Store(time.Now())
	w.below.Store(top)
	if top != nil {
		top.above.Store(w)
	}
	p.idle.Store(w)
}

func (p *Pool) leaveIdleLocked(w *worker) {
	above, below := w.above.Load(), w.below.Load()
	if above != nil {
		above.below.Store(below)
	} else {
		p.idle.Store(below)
	}
	if below != nil {
		below.above.Store(above)
	}
	w.above.Store(nil)
	w.below.Store(nil)
	w.isIdle.Store(false)
}

func (p *Pool) listLocked(w *worker) {
	first := p.first.Load()
	w.next.Store(first)
	if first != nil {
		first.prev.Store(w)
	}
	p.first.Store(w)
	w.listed.Store(true)
}

// unlistLocked takes a worker that ends out of the pool.
func (p *Pool) unlistLocked(w *worker) {
	p.workers.Store(p.workers.Load() - 1)
	if !w.listed.Load() {
		return
	}
	prev, next := w.prev.Load(), w.next.Load()
	if prev != nil {
		prev.next.Store(next)
	} else {
		p.first.Store(next)
	}
	if next != nil {
		next.prev.Store(prev)
	}
	w.listed.Store(false)
}

func (p *Pool) unlabelled() context.Context {
	if p.labels != nil {
		return p.labels
	}
	return context.Background()
}
