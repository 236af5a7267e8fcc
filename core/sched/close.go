package sched

import (
	"cmp"
	"context"
	"slices"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds how scopes end and pools close. A scope ends when no task is left. A pool closes
// at once to other goroutines, and stays open to its own tasks until they have ended or are
// dropped.

// CloseScope ends a scope: it blocks until every task has ended, and then closes the scheduler.
// From then on Go returns false, also to blocked submitters. A deferred function of the scope calls
// CloseScope with the value that recover returned. If that is nil, CloseScope raises the panics and
// Goexits of the tasks. If not, it panics with the value again, with the tasks' panics as its
// Others.
func (s *Scheduler) CloseScope(recovered any) {
	r := s.closeWhenEmpty()
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

// closeWhenEmpty closes the scheduler once every task has ended. It returns the failures of the
// tasks.
func (s *Scheduler) closeWhenEmpty() *failures {
	for {
		first, _ := s.waitAll(nil)
		r := inLock(s, func() *failures {
			l := &s.share().limiter
			if first != nil { // for later waits, or for this one
				s.shared.failures.putBackLocked(first)
			}
			if !s.emptyLocked() {
				return nil
			}
			l.closed, l.closedToTasks = true, true
			s.refuseLocked(false)
			return cmp.Or(s.takeLocked(), new(failures))
		})
		if r != nil {
			s.ended.Acquire()
			return r
		}
	}
}

// refuseLocked ends the wait of all submitters. It refuses their tasks. If drops is set, it accepts
// the tasks of submitters that cannot give up, and returns them, for its caller to drop.
func (s *Scheduler) refuseLocked(drops bool) (dropped []droppedTask) {
	l := &s.shared.limiter
	for !l.submitters.Empty() {
		b, as := l.submitters.Front().Value, refused
		if drops && b.patient {
			as = admitted
			dropped = append(dropped, droppedTask{b.task, b.set})
			s.shared.accepted++
		}
		s.dismissLocked(b, as)
	}
	l.budget = 0
	return dropped
}

// ClosePool closes the scheduler. From then on only tasks that have not ended can submit tasks.
// Workers leave when they find no task. ClosePool does not block.
func (s *Scheduler) ClosePool() {
	s.locked(func() {
		x := s.shared
		x.limiter.closed = true
		x.limiter.budget = 0
		for x.idle != nil {
			s.expireIdleLocked()
		}
		x.stopTimerLocked()
	})
}

// Join blocks until no task and no worker is left. It returns the cause if ctx, which may be nil,
// ends first.
func (s *Scheduler) Join(ctx context.Context) error {
	if _, err := s.waitAll(ctx); err != nil {
		return err
	}
	w := wait{s: s, on: (*workersOf)(s)}
	_, err := w.until(ctx)
	return err
}

// Drop drops the unclaimed tasks, and returns how many these are, without helpers. It refuses
// blocked submitters. Drop also drops the task of a submitter that cannot give up. The call of that
// submitter returns as if the task had been accepted.
func (s *Scheduler) Drop() int {
	all := race.Copy(inLock(s, s.dropLocked))
	for _, d := range all {
		t := uncarry(d.task)
		if e, ok := t.(*keyEntry); ok {
			race.Load(&e.task).tellDropped(ErrClosed)
			continue
		}
		recordOf(t).declined(ErrClosed)
		if t, ok := t.(droppable); ok {
			t.Drop(ErrClosed)
		}
	}
	return len(all)
}

// A droppable is a task with a result. Drop gives it an error as its result.
type droppable interface{ Drop(err error) }

// A Helper is a task that TryHelp has accepted.
type Helper interface{ IsHelper() }

// A claimable is a task that RunClaimed may run. Claim reports true to its first caller, which
// decides whether the task runs.
type claimable interface{ Claim() bool }

func (s *Scheduler) dropLocked() (all []droppedTask) {
	x := s.shared
	x.limiter.closedToTasks = true
	x.queue.revoke()
	for x.queue.n > 0 {
		t, set := x.queue.pop()
		all = append(all, droppedTask{t, set})
	}
	all = append(all, s.refuseLocked(true)...)
	all = x.dropKeysLocked(all)
	for _, d := range all {
		if d.set != nil {
			e, _ := d.task.(*keyEntry)
			d.set.dropped = d.set.dropped || e == nil || e.task != nil // otherwise a Replace has dropped it
			d.set.releaseWaitersLocked()
		}
	}
	all = slices.DeleteFunc(all, func(d droppedTask) bool {
		if c, ok := uncarry(d.task).(claimable); ok && !c.Claim() {
			x.void--
			return true
		}
		if e, ok := d.task.(*keyEntry); ok && e.task == nil { // a Replace has dropped it
			x.dropped++
			return true
		}
		_, helps := uncarry(d.task).(Helper)
		if helps { // the counts are as if it had never been accepted
			x.accepted--
			x.helpers--
			x.helping--
		}
		return helps
	})
	x.dropped += uint64(len(all))
	s.releaseWaitersLocked()
	return all
}
