package sched

import (
	"context"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
)

// This file holds wait sets: whether tasks of a set are left, and how the waits for them end. A
// worker that ends the last task of a set, or the last of all, releases the waiters. Invariant:
// whenever mu is free, no waiter is listed for a set without tasks.

// NewSet returns an empty set of s. If ctx is that of a task of s, the set is made for that task:
// a waiter that holds the place of the task lends it to tasks of the set.
func (s *Scheduler) NewSet(ctx context.Context) *Set {
	return &Set{sched: s, parent: taskOf(ctx).placeHolder(s)}
}

// SetMaker records that the caller's goroutine has made the set. It takes microseconds if the set
// was made for a task.
func (set *Set) SetMaker() {
	if set.parent != nil {
		set.maker = GoroutineID()
	}
}

// Round returns how often a task was accepted while the set had no other.
func (set *Set) Round() uint64 {
	return inLock(set.sched, func() uint64 { return set.round })
}

// Dropped reports whether Drop has dropped tasks of the set. No task is accepted after Drop.
func (set *Set) Dropped() bool {
	return inLock(set.sched, func() bool { return set.dropped })
}

// emptyLocked reports whether no task is left, background tasks included.
func (s *Scheduler) emptyLocked() bool {
	return s.emptyExceptBackgroundsLocked() && (s.shared == nil || s.shared.backgrounds.n == 0)
}

// emptyExceptBackgroundsLocked reports whether only background tasks are left, or none.
func (s *Scheduler) emptyExceptBackgroundsLocked() bool {
	x := s.shared
	switch {
	case s.busy > 0:
		return false
	case x == nil:
		return true
	}
	return x.lent == 0 && s.unclaimedLocked() == x.void
}

// takeLocked takes the failures of the scheduler's own set. It returns nil if there are none.
func (s *Scheduler) takeLocked() *failures {
	if s.shared == nil {
		return nil
	}
	return s.shared.failures.takeLocked()
}

// releaseWaitersLocked releases the waiters if no task is left. If only background tasks are left
// and a goroutine waits, it makes unlock cancel their contexts.
func (s *Scheduler) releaseWaitersLocked() {
	switch {
	case s.waiters.Empty() || !s.emptyExceptBackgroundsLocked():
	case s.shared != nil && s.shared.backgrounds.n > 0:
		s.shared.cancelBackgroundsLocked()
	default:
		s.releaseLocked(&s.waiters, s.takeLocked())
	}
}

// cancelBackgroundsLocked makes unlock cancel the contexts of the background tasks.
func (x *shared) cancelBackgroundsLocked() {
	for active := &x.backgrounds.active; !active.Empty(); {
		e := active.Front()
		active.Remove(e)
		x.todo.cancel = append(x.todo.cancel, e.Value.cancel)
	}
}

// releaseLocked empties a list of waiters. Each waiter gets r. unlock wakes them.
func (s *Scheduler) releaseLocked(waiters *list.List[*park.Parker], r *failures) {
	for !waiters.Empty() {
		p := waiters.Front().Value
		waiters.Remove(&p.Link)
		p.Result = r
		s.wakeParkerLocked(p)
	}
}

// releaseWaitersLocked releases the waiters of the set if no task of it is left.
func (set *Set) releaseWaitersLocked() {
	if !set.waiters.Empty() && set.emptyLocked() {
		set.lenders = 0 // before their waiters run: a task that is accepted until then is none of theirs
		set.scheduler().releaseLocked(&set.waiters, set.takeLocked())
	}
	if set.key != nil {
		set.key.retireLocked()
	}
}

// takeLocked takes the failures of the set. It keeps those of one key for the waiters for all keys.
func (set *Set) takeLocked() *failures {
	if q := set.key; q != nil && !q.keys.waiters.Empty() && set.failures != nil {
		q.keys.collected.addAll(set.failures)
	}
	return set.failures.takeLocked()
}

// returnLocked returns a lent place. There are at most as many lent places as waiters that lend or
// want their places back.
func (set *Set) returnLocked() {
	set.lent--
	set.giveBackLocked()
}

// giveBackLocked wakes the waiters that have their places back.
func (set *Set) giveBackLocked() {
	for !set.reclaims.Empty() && set.lent-set.passed < set.lenders+set.reclaims.Len() {
		p := set.reclaims.Front().Value
		set.reclaims.Remove(&p.Link)
		set.scheduler().wakeParkerLocked(p)
	}
}
