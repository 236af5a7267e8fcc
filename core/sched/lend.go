package sched

import (
	"context"
	"runtime"

	"github.com/coterie-go/coterie/core/internal/park"
)

// This file holds how a nested wait lends its place.
//
// A task that waits, with its context, for tasks of its own scheduler does not use its
// place: it lends it. There are two ways.
//
//   - runLent runs one task there, and returns when it has ended.
//   - A waiter for a set lends its place to a worker that runs tasks of that set alone. The
//     invariant, true whenever mu is free: no task of the set is unclaimed, or there are as many such
//     workers as waiters that lend.
//
// In both ways the task has a goroutine of its own, so its Goexit, its labels and its
// locked thread are not the waiter's. The place is back when that goroutine has no task, or when
// its task passes the place on in turn: then nobody else uses it.

// runLent runs a task, which was not accepted before, on the place of its submitter.
func (s *Scheduler) runLent(within *Context, set *Set, t Task) {
	begins := get(s, func(*todo) bool {
		if q := set.queueOfKey(); q != nil && !q.acceptLocked(t) {
			return false // it waits for its key
		}
		s.shared.accepted++
		return true
	})
	if begins {
		s.runInline(within, set, t)
	}
}

// RunClaimed runs a task that is in the run queue and whose entry there will do nothing, on
// the place of a task that waits for it. It returns when the task has ended. The entry calls
// [Worker.Void].
func (s *Scheduler) RunClaimed(at Place, t Task) {
	s.locked(func(*todo) { s.shared.void++ })
	s.runInline(at.task.Value(), nil, t)
}

// Void says that the task of the worker was run by RunClaimed.
func (w *Worker) Void() { w.ending = endedVoid }

func (s *Scheduler) runInline(within *Context, set *Set, t Task) {
	p := park.Get(false)
	s.locked(func(do *todo) {
		within.passLocked(1, do)
		s.shared.lent++
		if set != nil {
			if set.idleLocked() {
				set.round++
			}
			set.busy++
		}
	})
	w := newWorker()
	w.s, w.lent, w.busy, w.task, w.set, w.back = s, true, true, t, set, p
	w.inKey, w.all = set.points()
	go w.run()
	p.Wait(nil)
	p.Free()
	if within.isLent() {
		s.locked(func(do *todo) { within.passLocked(-1, do) })
	}
}

// isLent reports whether the task runs on a lent place.
func (c *Context) isLent() bool { return c != nil && c.lender != nil }

// passLocked notes that a task, if it runs on the lent place of a waiter for a set, passes that
// on, or, with -1, does so no longer.
func (c *Context) passLocked(by int, do *todo) {
	if c.isLent() {
		c.lender.passed += by
		c.lender.giveBackLocked(do)
	}
}

// workLent is the life of a worker on the place of a waiter for set.
func (s *Scheduler) workLent(set *Set) {
	w := newWorker()
	w.s, w.lent, w.lender = s, true, set
	w.run()
}

// Wait blocks until every task of the set has ended, or until ctx, if it is not nil, ends; then it
// returns the cause. Otherwise raise raises what the tasks raised.
func (set *Set) Wait(ctx context.Context) (raise func(), err error) {
	return set.wait(ctx, set.within)
}

// wait is Wait that lends the place of the given task.
func (set *Set) wait(ctx context.Context, within *Context) (raise func(), err error) {
	s := set.scheduler()
	lends := within.runs() && (ctx == nil || ctx.Err() == nil)
	if lends {
		runtime.Gosched()
		set.lend(within)
	}
	w := wait{s: s, set: set}
	r, err := w.until(ctx)
	if lends {
		set.reclaim(within)
	}
	if err == errWithin {
		panic(s.config().Kind + ": Wait on a batch " + errWithin.Error())
	}
	if err != nil {
		return nil, err
	}
	set.ended.Acquire()
	return r.raise, nil
}

// lend lends the place of a waiter, which is about to block.
func (set *Set) lend(within *Context) {
	set.scheduler().locked(func(do *todo) {
		within.passLocked(1, do)
		set.lenders++
		if set.lendsLocked() {
			set.lent++
			do.lends = append(do.lends, set)
		}
	})
}

// reclaim returns when the place of a waiter is its own again.
func (set *Set) reclaim(within *Context) {
	p := park.Get(false)
	back := peek(set.scheduler(), func() bool {
		set.lenders--
		if set.lent-set.passed <= set.lenders+set.reclaiming {
			return true
		}
		p.Next, set.reclaims = set.reclaims, p
		set.reclaiming++
		return false
	})
	if !back {
		p.Wait(nil)
	}
	p.Free()
	if within.isLent() {
		set.scheduler().locked(func(do *todo) { within.passLocked(-1, do) })
	}
}

// takeLentLocked claims a task of the set for a worker on a lent place, or returns it to
// its waiter and reports false.
func (w *Worker) takeLentLocked(do *todo) bool {
	s, set := w.s, w.lender
	if set == nil {
		return false
	}
	if set.lent <= set.lenders {
		if t, g := s.popOfLocked(set); t != nil {
			w.claimedLocked(t, set, g)
			s.admitLocked(do)
			w.beganLocked(do)
			return true
		}
	}
	set.returnLocked(do)
	return false
}

// returnLocked gives back a lent place. There are no more of them than waiters that lend or
// wait for theirs.
func (set *Set) returnLocked(do *todo) {
	set.lent--
	set.giveBackLocked(do)
}

// giveBackLocked wakes waiters that have their place back.
func (set *Set) giveBackLocked(do *todo) {
	for set.reclaiming > 0 && set.lent-set.passed < set.lenders+set.reclaiming {
		p := set.reclaims
		set.reclaims = p.Next
		set.reclaiming--
		do.wakes(p)
	}
}

// popOfLocked claims the oldest task of set, with the segment that it stands in if that is
// taken.
func (s *Scheduler) popOfLocked(set *Set) (Task, *segment) {
	q := &s.shared.queue
	for g := q.stealable(set, false); g != nil; g = q.stealable(set, false) {
		if t := g.claim(); t != nil {
			return t, g
		}
	}
	return q.popOf(set), nil
}
