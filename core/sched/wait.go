package sched

import (
	"context"
	"runtime"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// A Set is a wait set: some of a scheduler's tasks, which are waited for together. A nil
// *Set stands for the scheduler's own, for which one waits with the scheduler: for all tasks.
//
// The scheduler's mu guards it, but for what does not change.
type Set struct {
	ended race.Point // from the end of each task to the waits that cover it
	Owner any        // for its owner; does not change

	sched  *Scheduler // does not change
	within *Context   // the task whose place a waiter lends; nil if there is none; does not change

	failures   failures
	round      uint64 // how often a task was accepted while there was no other
	busy       int    // workers that have a task of the set, or a segment
	segments   int    // segments that hold tasks of the set
	lenders    int    // waiters that lend their place
	lent       int    // workers that run on those places
	waiters    *park.Parker
	reclaims   *park.Parker // waiters that want their place back
	reclaiming int          // how many they are
}

// NewSet returns a set of tasks of s. If ctx is that of a task of s, whoever waits for
// the set lends it the place of that task.
func (s *Scheduler) NewSet(ctx context.Context, owner any) *Set {
	return &Set{Owner: owner, sched: s, within: taskOf(ctx).of(s)}
}

// Round returns how often a task was accepted while there was no other.
func (set *Set) Round() uint64 {
	return peek(set.sched, func() uint64 { return set.round })
}

func (set *Set) open() {
	if set != nil {
		set.segments++
	}
}

func (set *Set) close() {
	if set != nil {
		set.segments--
	}
}

// lendsLocked reports whether a further worker may run tasks of the set on a lent place.
func (set *Set) lendsLocked() bool {
	return set != nil && set.lenders > set.lent && set.segments > 0
}

// place returns the task whose place tasks of the set may run on, or nil.
func (set *Set) place() *Context {
	if set == nil {
		return nil
	}
	return set.within
}

func (set *Set) idleLocked() bool { return set.busy == 0 && set.segments == 0 }

// idleLocked reports whether no task is left.
func (s *Scheduler) idleLocked() bool {
	if s.busy > 0 || s.first != nil {
		return false
	}
	x := s.shared
	return x == nil || x.lent == 0 && x.queue.n == 0 && x.queue.stealable(nil, true) == nil
}

// release takes all waiters off a list, which is linked by Next, and gives them what tasks raised. They are
// woken once mu is free.
func release(list **park.Parker, fs *failures, do *todo) {
	if *list == nil {
		return
	}
	var r *round
	if fs != nil {
		r = fs.takeLocked()
	}
	for p := *list; p != nil; {
		next := p.Next
		p.Result = r
		do.wakes(p)
		p = next
	}
	*list = nil
}

// withdraw takes p off a list, or reports false if it is not on it.
func withdraw(list **park.Parker, p *park.Parker) bool {
	for ; *list != nil; list = &(*list).Next {
		if *list == p {
			*list = p.Next
			return true
		}
	}
	return false
}

// failuresLocked returns what tasks of the scheduler's own set raised, or nil if none has.
func (s *Scheduler) failuresLocked() *failures {
	if s.shared == nil {
		return nil
	}
	return &s.shared.failures
}

// Wait blocks until every task has ended, those of sets among them, and raises what tasks of
// the scheduler's own set raised. If ctx, which may be nil, ends before, it returns the cause.
func (s *Scheduler) Wait(ctx context.Context) error {
	r, err := s.join(ctx)
	if err == nil {
		r.raise()
	}
	return err
}

// join is Wait that returns what there is to raise.
func (s *Scheduler) join(ctx context.Context) (*round, error) {
	if !peek(s, s.idleLocked) {
		runtime.Gosched() // what was started last runs: if that is little, the wait is over then
	}
	r, err := s.wait(ctx, &s.waiters, s.idleLocked, s.failuresLocked)
	if err == nil {
		s.ended.Acquire()
		s.endTrace()
	}
	return r, err
}

// wait blocks until idle reports true, for which list is released, or until ctx ends. It
// returns what there is to raise.
func (s *Scheduler) wait(ctx context.Context, list **park.Parker, idle func() bool, failed func() *failures) (*round, error) {
	type seen struct {
		idle bool
		*round
	}
	look := func(p *park.Parker) (v seen) {
		if v.idle = idle(); v.idle {
			if fs := failed(); fs != nil {
				v.round = fs.takeLocked()
			}
		} else if p != nil {
			p.Next, *list = *list, p
		}
		return v
	}
	if v := peek(s, func() seen { return look(nil) }); v.idle {
		return v.round, nil
	}
	p := park.Get(ctx != nil && ctx.Done() != nil)
	defer p.Free()
	if v := peek(s, func() seen { return look(p) }); v.idle {
		return v.round, nil
	}
	reason := ForSome
	if list == &s.waiters {
		reason = ForTasks
	}
	defer s.noteBlocked(reason).end()
	if !p.Wait(doneOf(ctx)) {
		if peek(s, func() bool { return withdraw(list, p) }) {
			return nil, context.Cause(ctx)
		}
		p.Wait(nil) // whoever released it is about to wake it
	}
	r, _ := race.Load(&p.Result).(*round)
	return r, nil
}

// settled lets workers that are about to come back from a task that has ended do so, and
// reports whether no task is left then. A wait that gives up asks it.
func (s *Scheduler) settled(idle func() bool) bool {
	for range 100 {
		if peek(s, func() bool { return idle() }) {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// WaitContext is Wait for all tasks until ctx ends. Then it returns a
// *core.StuckError, unless no task is left.
func (s *Scheduler) WaitContext(ctx context.Context) error {
	err := s.Wait(ctx)
	if err == nil {
		return nil
	}
	if !s.settled(s.idleLocked) {
		if stuck := s.Stuck(err); stuck.Running+stuck.Queued > 0 {
			return stuck
		}
	}
	return s.Wait(nil)
}

// Seal waits until every task has ended, closes the scheduler, and raises what tasks
// raised. It is called by a deferred function of a scope with what recover returned there: a
// panic of the scope's body goes on, with those of the tasks beside it.
func (s *Scheduler) Seal(recovered any) {
	r := s.Close()
	if recovered == nil {
		r.raise()
		return
	}
	p, _ := r.all()
	if p == nil {
		panic(recovered)
	}
	Combine(core.NewPanicError(recovered), p).Raise()
}
