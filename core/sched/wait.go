package sched

import (
	"context"
	"errors"
	"runtime"

	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds how a wait blocks, and how it ends. A wait that finds no task left takes the
// round of failures itself. Otherwise it lists its Parker and blocks, and the worker that ends the
// last task gives it the round.

// Wait blocks until every task has ended, also those of sets. It raises the panics and Goexits of
// the tasks of the scheduler's own set. It returns the cause if ctx, which may be nil, ends first.
func (s *Scheduler) Wait(ctx context.Context) error {
	r, err := s.join(ctx)
	if err == nil {
		r.raise()
	}
	return err
}

// join is Wait, but returns the round instead of raising it.
func (s *Scheduler) join(ctx context.Context) (*round, error) {
	if s.only.Load() == noTask {
		return nil, nil
	}
	if s.only.Load() < counted || !peek(s, s.idleLocked) {
		runtime.Gosched() // the last task that was started runs now; if it is short, the wait need not park
		if s.only.Load() == noTask {
			return nil, nil
		}
	}
	w := wait{s: s}
	r, err := w.until(ctx)
	if err == errWithin {
		panic(s.config().Kind + ": Wait on " + s.Title() + " " + errWithin.Error())
	}
	if err == nil {
		s.ended.Acquire()
		s.endTrace()
	}
	return r, err
}

// A wait is one call of a Wait.
type wait struct {
	s       *Scheduler
	set     *Set  // it waits for the tasks of this set; nil: for all
	keys    *keys // it waits for the tasks of these keys; nil: for all
	workers bool  // it waits until no worker is left, instead of for tasks
}

// list returns the list of waiters that this wait joins.
func (w *wait) list() **park.Parker {
	switch {
	case w.workers:
		return &w.s.shared.gone
	case w.keys != nil:
		return &w.keys.waiters
	case w.set != nil:
		return &w.set.waiters
	}
	return &w.s.waiters
}

func (w *wait) isOverLocked() bool {
	switch {
	case w.workers:
		return w.s.shared.workers == 0
	case w.keys != nil:
		return w.keys.live == 0
	case w.set != nil:
		return w.set.idleLocked()
	}
	return w.s.idleLocked()
}

// takeLocked takes the round that a finished wait raises, or returns nil.
func (w *wait) takeLocked() *round {
	switch {
	case w.workers:
		return nil
	case w.keys != nil:
		return w.keys.failuresLocked().takeLocked()
	case w.set != nil:
		w.set.collectLocked()
		return w.set.failures.takeLocked()
	}
	if fs := w.s.failuresLocked(); fs != nil {
		return fs.takeLocked()
	}
	return nil
}

// isWithin reports whether the caller runs one of the tasks for which it waits. It takes
// microseconds.
func (w *wait) isWithin() bool {
	switch {
	case w.workers, w.keys != nil:
		return false
	case w.set != nil:
		return w.set.runsCaller()
	}
	return w.s.hosts(hostsTasks, hostsBackgrounds)
}

// errWithin is the error of a wait by one of the tasks for which it waits.
var errWithin = errors.New("within one of its own tasks")

// hasLooked is the Result of a Parker whose goroutine runs none of the tasks for which it waits.
var hasLooked any = new(byte)

// seen is the state that a wait finds.
type seen struct {
	idle       bool
	othersWait bool // there are other waiters, so the caller must call isWithin
	*round
}

// until blocks until the wait is over, or until ctx, which may be nil, ends. It returns the round
// to raise.
//
// A task that waits for its own owner waits for itself. When there are two waiters or more, each
// checks once whether it is such a task: then until returns errWithin. A single waiter does not
// check, because the check takes microseconds.
func (w *wait) until(ctx context.Context) (*round, error) {
	if v := peek(w.s, w.lookLocked); v.idle {
		return v.round, nil
	}
	p := park.Get(ctx != nil && ctx.Done() != nil)
	v := get(w.s, func(do *todo) seen { return w.enterLocked(p, false, do) })
	if v.othersWait {
		if w.isWithin() {
			p.Free()
			return nil, errWithin
		}
		v = get(w.s, func(do *todo) seen { return w.enterLocked(p, true, do) })
	}
	if v.idle {
		p.Free()
		return v.round, nil
	}
	for listed := p; ; {
		r, next, err := w.park(ctx, listed)
		listed.Free()
		if next == nil {
			return r, err
		}
		if listed = next; w.isWithin() && w.withdraw(listed) {
			listed.Free()
			return nil, errWithin
		}
	}
}

func (w *wait) lookLocked() (v seen) {
	if v.idle = w.isOverLocked(); v.idle {
		v.round = w.takeLocked()
	}
	return v
}

// enterLocked lists p, unless the wait is over or the caller must call isWithin first. It wakes a
// single earlier waiter that has not called isWithin yet.
func (w *wait) enterLocked(p *park.Parker, looked bool, do *todo) seen {
	v := w.lookLocked()
	list := w.list()
	first := *list
	if v.othersWait = !v.idle && !looked && first != nil; v.idle || v.othersWait {
		return v
	}
	if looked {
		p.Result = hasLooked
	}
	if first != nil && first.Next == nil && first.Result == nil {
		next := park.Get(true) // keeps the place of the earlier waiter while that calls isWithin
		next.Result = hasLooked
		first.Result, *list = next, next
		do.wakes(first)
	}
	p.Next, *list = *list, p
	w.s.idleNowLocked(do) // only background tasks may be left
	return v
}

// park blocks until p is woken, or ctx ends. If the caller must call isWithin, park returns next: the
// Parker that is listed instead of p.
func (w *wait) park(ctx context.Context, p *park.Parker) (r *round, next *park.Parker, err error) {
	reason := ForSome
	if w.list() == &w.s.waiters {
		reason = ForTasks
	}
	defer w.s.noteBlocked(reason).end()
	if !p.Wait(doneOf(ctx)) {
		if w.withdraw(p) {
			return nil, nil, context.Cause(ctx)
		}
		p.Wait(nil) // the goroutine that released p is about to wake it
	}
	result := race.Load(&p.Result)
	r, _ = result.(*round)
	next, _ = result.(*park.Parker)
	return r, next, nil
}

// withdraw takes p off the list, or reports false if it is not on it.
func (w *wait) withdraw(p *park.Parker) bool {
	return peek(w.s, func() bool { return withdraw(w.list(), p) })
}

// settled yields up to 100 times, so that workers can count tasks that have already ended. It
// reports whether no task is left. A wait that gives up calls it.
func (s *Scheduler) settled(idle func() bool) bool {
	for range 100 {
		if peek(s, func() bool { return idle() }) {
			return true
		}
		runtime.Gosched()
	}
	return false
}
