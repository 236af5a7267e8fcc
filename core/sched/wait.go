package sched

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file blocks and ends waits. A wait that finds no task left takes the failures itself.
// Otherwise it lists its Parker and blocks, and the worker that ends the last task gives it the
// failures.

// Wait blocks until every task has ended, also those of sets. It raises the panics and Goexits of
// the tasks of the scheduler's own set. It returns the cause if ctx, which may be nil, ends first.
func (s *Scheduler) Wait(ctx context.Context) error {
	r, err := s.waitAll(ctx)
	if err == nil {
		r.raise()
	}
	return err
}

// WaitContext is Wait, but returns a *core.StuckError if ctx ends while a task is left.
func (s *Scheduler) WaitContext(ctx context.Context) error {
	for {
		err := s.Wait(ctx)
		if err == nil {
			return nil
		}
		if stuck := s.Stuck(err); stuck.Running+stuck.Queued > 0 {
			return stuck
		}
	}
}

// waitAll is Wait, but returns the failures instead of raising them.
func (s *Scheduler) waitAll(ctx context.Context) (*failures, error) {
	if s.only.Load() == noTask {
		s.endTrace()
		return nil, nil
	}
	if s.only.Load() < counted || !inLock(s, s.emptyLocked) {
		runtime.Gosched() // the last task that was started runs now; if it is short, the wait need not park
		if s.only.Load() == noTask {
			return nil, nil
		}
	}
	w := wait{s: s, on: s}
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

// Wait blocks until every task of the set has ended. raise raises their panics and Goexits. The
// wait lends a place to tasks of the set if lender.mayLend reports true for the caller.
func (set *Set) Wait() (raise func()) {
	raise, _ = set.wait(nil, set.lenderOf(nil))
	return raise
}

// WaitContext is Wait, but returns a *core.StuckError if ctx ends while tasks of the set are left.
// The caller lends the place of the task of ctx, if that is a task of the scheduler.
func (set *Set) WaitContext(ctx context.Context) (raise func(), err error) {
	for by := set.lenderOf(ctx); ; {
		if raise, err = set.wait(ctx, by); err == nil {
			return raise, nil
		}
		if stuck := set.Stuck(err); stuck.Running+stuck.Queued > 0 {
			return nil, stuck
		}
	}
}

// WaitInside is Wait for a caller that holds the place of the task for which the set was made.
func (set *Set) WaitInside() { _, _ = set.wait(nil, lender{task: set.parent}) }

// wait is Wait, but returns the cause if ctx, which may be nil, ends first.
func (set *Set) wait(ctx context.Context, by lender) (raise func(), err error) {
	w := wait{s: set.scheduler(), on: set}
	lends := by.task.runs() && (ctx == nil || ctx.Err() == nil)
	if lends {
		runtime.Gosched()
		if v := inLock(w.s, w.lookLocked); v.done {
			set.ended.Acquire()
			return v.failures.raise, nil
		}
		lends = by.mayLend(set)
	}
	if lends {
		by.task.pass(1)
		w.lends = set
	}
	r, err := w.until(ctx)
	if lends {
		set.reclaim()
		by.task.pass(-1)
	}
	if err == errWithin {
		panic(w.s.config().Kind + ": Wait on a batch " + errWithin.Error())
	}
	if err != nil {
		return nil, err
	}
	set.ended.Acquire()
	return r.raise, nil
}

// A wait is one call of a Wait.
type wait struct {
	s     *Scheduler
	on    waited // what it waits for
	lends *Set   // the same if the caller lends its place, otherwise nil
}

// A waited is what a wait waits for: the tasks of a scheduler, of a set or of all keys, or the end
// of all workers.
type waited interface {
	waitersLocked() *list.List[*park.Parker] // the list that the wait joins
	emptyLocked() bool                       // the wait is over
	takeLocked() *failures                   // takes the failures that a finished wait raises, or returns nil
	runsCaller() bool                        // the caller runs one of the tasks; takes microseconds
}

func (s *Scheduler) waitersLocked() *list.List[*park.Parker] { return &s.waiters }

func (set *Set) waitersLocked() *list.List[*park.Parker] { return &set.waiters }

func (k *keys) waitersLocked() *list.List[*park.Parker] { return &k.waiters }
func (k *keys) emptyLocked() bool                       { return k.live == 0 }
func (k *keys) runsCaller() bool                        { return false }

// workersOf is a Scheduler whose workers are waited for, not its tasks.
type workersOf Scheduler

func (s *workersOf) waitersLocked() *list.List[*park.Parker] { return &s.shared.gone }
func (s *workersOf) emptyLocked() bool                       { return s.shared.workers == 0 }
func (s *workersOf) takeLocked() *failures                   { return nil }
func (s *workersOf) runsCaller() bool                        { return false }

// errWithin is the error of a wait by one of the tasks for which it waits.
var errWithin = errors.New("within one of its own tasks")

// hasLooked is the Result of a Parker whose goroutine runs none of the tasks for which it waits.
var hasLooked any = new(byte)

// seen is the state that a wait finds.
type seen struct {
	done       bool
	othersWait bool // there are other waiters, so the caller must call runsCaller
	*failures
}

// until blocks until the wait is over, or until ctx, which may be nil, ends. It returns the
// failures to raise.
//
// A task that waits for its own owner waits for itself. When there are two waiters or more, each
// checks once whether it is such a task. If it is, until returns errWithin. A single waiter does
// not check, because the check takes microseconds.
func (w *wait) until(ctx context.Context) (*failures, error) {
	if v := inLock(w.s, w.lookLocked); v.done {
		return v.failures, nil
	}
	p := park.Get(ctx != nil && ctx.Done() != nil)
	v := inLock(w.s, func() seen { return w.listLocked(p, false) })
	if v.othersWait {
		if w.on.runsCaller() {
			p.Free()
			return nil, errWithin
		}
		v = inLock(w.s, func() seen { return w.listLocked(p, true) })
	}
	if v.done {
		p.Free()
		return v.failures, nil
	}
	for listed := p; ; {
		r, next, err := w.park(ctx, listed)
		listed.Free()
		if next == nil {
			return r, err
		}
		if listed = next; w.on.runsCaller() && w.withdraw(listed) {
			listed.Free()
			return nil, errWithin
		}
	}
}

func (w *wait) lookLocked() (v seen) {
	if v.done = w.on.emptyLocked(); v.done {
		v.failures = w.on.takeLocked()
	}
	return v
}

// listLocked lists p, unless the wait is over or the caller must call runsCaller first. It wakes a
// single earlier waiter that has not called runsCaller yet.
func (w *wait) listLocked(p *park.Parker, looked bool) seen {
	v := w.lookLocked()
	waiters := w.on.waitersLocked()
	if v.othersWait = !v.done && !looked && !waiters.Empty(); v.done || v.othersWait {
		return v
	}
	if looked {
		p.Result = hasLooked
	}
	if e := waiters.Front(); e != nil && e.Next() == nil && e.Value.Result == nil {
		next := park.Get(true) // keeps the place of the earlier waiter while that calls runsCaller
		next.Result = hasLooked
		waiters.Remove(e)
		waiters.PushBack(&next.Link)
		e.Value.Result = next
		w.s.wakeParkerLocked(e.Value)
	}
	waiters.PushBack(&p.Link)
	if w.lends != nil {
		w.lends.lendLocked()
	}
	w.s.releaseWaitersLocked() // only background tasks may be left
	return v
}

// park blocks until p is woken, or ctx ends. If the caller must call runsCaller, park returns next:
// the Parker that is listed instead of p.
func (w *wait) park(ctx context.Context, p *park.Parker) (r *failures, next *park.Parker, err error) {
	reason := ForSome
	if w.on == waited(w.s) {
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
	r, _ = result.(*failures)
	next, _ = result.(*park.Parker)
	return r, next, nil
}

// withdraw takes p off the list, or reports false if it is not on it.
func (w *wait) withdraw(p *park.Parker) bool {
	return inLock(w.s, func() bool {
		if !p.Link.Listed() {
			return false
		}
		w.on.waitersLocked().Remove(&p.Link)
		if w.lends != nil {
			w.lends.lenders--
		}
		return true
	})
}

// settle blocks until idle reports true: until workers have counted tasks that have already ended.
// It gives up after 7 ms. A wait that gives up calls it. It yields, and then sleeps. The sleep is
// needed because a worker that wakes a goroutine may lose its processor to it. In a
// testing/synctest bubble settle only yields, because a sleep would move the clock.
func (s *Scheduler) settle(idle func() bool) {
	yields, pause := 100, 50*time.Microsecond
	if IsFake(time.Now()) {
		yields, pause = 1000, 0
	}
	for ; yields > 0; yields-- {
		if inLock(s, idle) {
			return
		}
		runtime.Gosched()
	}
	for ; 0 < pause && pause < 5*time.Millisecond; pause *= 2 {
		if inLock(s, idle) {
			return
		}
		time.Sleep(pause)
	}
}
