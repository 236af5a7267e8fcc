package sched

import (
	"context"

	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file lends the place of a task that waits.
//
// A task may wait, with its context, for tasks of its own scheduler. It lends its place in one of
// two ways while it waits.
//
//   - runLent runs one task on the place, and returns when that task has ended.
//   - A waiter for a set lends its place to a worker that runs only tasks of that set. The
//     invariant, true whenever mu is free: no task of the set is unclaimed, or there are as many
//     such workers as waiters that lend.
//
// In both ways the task has a goroutine of its own, so its Goexit, its labels and its locked thread
// do not affect the waiter. The waiter has its place back when that goroutine has no task, or when
// its task has lent the place to a further task or is blocked in a Replace.

// runLent accepts a task and runs it on the place of its submitter. The task waits in line instead
// if the key of the task is busy.
func (s *Scheduler) runLent(parent *Context, set *Set, t Task) {
	begins := inLock(s, func() bool {
		if q := set.queueOfKey(); q != nil && !q.activateOrLineUpLocked(t) {
			return false // the task waits for its key
		}
		s.shared.accepted++
		s.beginInlineLocked(parent, set) // now, so that no wait misses a task that replaces t
		return true
	})
	if begins {
		s.runInline(parent, set, t)
	}
}

// RunClaimed runs t on the place of a task that waits for t. It returns when t has ended. t is also
// in the run queue: a worker that runs the entry must do nothing but call [Worker.MarkVoid].
func (s *Scheduler) RunClaimed(at Place, t Task) {
	parent := at.task.Value()
	s.locked(func() {
		s.shared.void++
		s.beginInlineLocked(parent, nil)
	})
	s.runInline(parent, nil, t)
}

// beginInlineLocked counts a task of set that runInline is about to run on the place of the task
// parent.
func (s *Scheduler) beginInlineLocked(parent *Context, set *Set) {
	parent.passLocked(1)
	s.shared.lent++
	if set != nil {
		if set.emptyLocked() {
			set.round++
		}
		set.busy++
	}
}

// runInline runs a task for which beginInlineLocked was called, and returns when it has ended.
func (s *Scheduler) runInline(parent *Context, set *Set, t Task) {
	p := park.Get(false)
	w := newWorker(s)
	w.lent, w.busy, w.task, w.set, w.host, w.caller = true, true, t, set, parent, p
	if race.Hidden {
		w.ordered = s.isOrdered()
	}
	go w.start()
	p.Wait(nil)
	p.Free()
	parent.pass(-1)
}

// isLent reports whether the task runs on a lent place.
func (c *Context) isLent() bool { return c != nil && c.lentTo != nil }

// passLocked is called with 1 when a task lends its place or blocks in a Replace, and with -1 when
// that is over. It changes the count of the set only if the place is itself lent by a waiter for a
// set. A task whose goroutines lend the place several times at once counts once.
func (c *Context) passLocked(by int) {
	if !c.isLent() {
		return
	}
	c.passes += int32(by)
	switch {
	case by > 0 && c.passes == 1:
		c.lentTo.passed++
		c.lentTo.giveBackLocked()
	case c.passes == 0:
		c.lentTo.passed--
	}
}

// pass is passLocked for a caller that does not hold mu. c may be nil.
func (c *Context) pass(by int) {
	if c.isLent() {
		c.sched.locked(func() { c.passLocked(by) })
	}
}

// A lender is the task whose place a waiter or a submitter may lend.
type lender struct {
	task *Context // nil if there is none, or it is not known
	asks bool     // the caller must call mayLend before it lends the place; that takes microseconds
}

// lenderOf returns the lender for a waiter: the task from whose context ctx derives, or else the
// task for which the set was made. ctx may be nil.
func (set *Set) lenderOf(ctx context.Context) lender {
	if ctx != nil {
		if c := taskOf(ctx).placeHolder(set.scheduler()); c != nil {
			return lender{task: c}
		}
	}
	return lender{set.parentTask(), true}
}

// mayLend reports whether the caller may lend a place. The goroutine of the task for which the set
// was made may lend that task's place. The goroutine that made the set may too, because it had the
// task's context. If the caller runs another task of the scheduler, it may lend its own place: then
// mayLend sets l.task to nil and reports true.
func (l *lender) mayLend(set *Set) bool {
	if !l.asks {
		return true
	}
	id := GoroutineID()
	if id == set.maker || id == l.task.goroutine {
		return true
	}
	l.task = nil
	return set.scheduler().IsWorker()
}

// lendLocked lends the place of a waiter that has just been listed. The loan ends when the waiter
// is not listed any more.
func (set *Set) lendLocked() {
	set.lenders++
	set.giveBackLocked()
	set.lendOneLocked()
}

// lendOneLocked starts a worker on a lent place if a further one may run tasks of the set, which
// may be nil.
func (set *Set) lendOneLocked() {
	if set != nil && set.lenders > set.lent && set.segments > 0 {
		set.lent++
		do := &set.scheduler().shared.todo
		do.lends = append(do.lends, set)
	}
}

// reclaim is called by a waiter that has lent its place, and is not listed any more. It blocks
// until the waiter has the place back.
func (set *Set) reclaim() {
	p := park.Get(false)
	s := set.scheduler()
	back := inLock(s, func() bool {
		if set.lent-set.passed <= set.lenders+set.reclaims.Len() {
			return true
		}
		if !set.emptyLocked() { // the waiter gives up: the worker must not claim the rest of a segment
			s.shared.queue.revoke()
		}
		set.reclaims.PushBack(&p.Link)
		return false
	})
	if !back {
		p.Wait(nil)
	}
	p.Free()
}
