package sched

import (
	"context"
	"errors"
	"runtime"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// A Set is a wait set: tasks of a scheduler that have a wait of their own. A nil *Set is the
// scheduler's own set. Only Scheduler.Wait waits for its tasks, and that waits for all tasks.
//
// The scheduler's mu guards the fields, except those that do not change.
type Set struct {
	ended race.Point // from the end of each task to the waits that cover it
	Owner any        // set and read by the owner; does not change

	sched  *Scheduler // does not change
	within *Context   // the task for which the set was made; nil if there is none; does not change
	maker  uint64     // the goroutine that made the set, where within is not nil; does not change

	failures   failures
	round      uint64 // how often a task was accepted while the set had no other
	busy       int    // workers that have a task of the set, or a segment
	segments   int    // segments that hold tasks of the set
	lenders    int    // waiters that lend their places
	lent       int    // workers that run on those places
	passed     int    // workers among those of lent whose task has lent the place to another task
	waiters    *park.Parker
	reclaims   *park.Parker // waiters that want their place back
	reclaiming int          // the length of reclaims

	key *keyQueue // of the key whose tasks these are; nil if they have none; does not change
}

// NewSet returns an empty set of s. If ctx is that of a task of s, the set is made for that task:
// a waiter that holds the place of the task lends it to tasks of the set.
func (s *Scheduler) NewSet(ctx context.Context, owner any) *Set {
	return &Set{Owner: owner, sched: s, within: taskOf(ctx).place(s)}
}

// Made notes that the caller has made the set. That takes microseconds if the set was made for a task.
func (set *Set) Made() {
	if set.within != nil {
		set.maker = GoroutineID()
	}
}

// scheduler returns set.sched. It uses race.Load because the bookkeeping makes the sets of keys
// hidden from the race detector.
func (set *Set) scheduler() *Scheduler { return race.Load(&set.sched) }

// Round returns how often a task was accepted while the set had no other.
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

func (set *Set) idleLocked() bool {
	return set.busy == 0 && set.segments == 0 && (set.key == nil || set.key.waits == 0)
}

// idleLocked reports whether no task is left, background tasks included.
func (s *Scheduler) idleLocked() bool {
	return s.quietLocked() && (s.shared == nil || s.shared.backgrounds.n == 0)
}

// quietLocked reports whether only background tasks are left, or none.
func (s *Scheduler) quietLocked() bool {
	if s.busy > 0 || s.first != nil {
		return false
	}
	x := s.shared
	return x == nil || x.lent == 0 && x.queue.n == 0 && x.queue.stealable(nil, true) == nil
}

// release empties a list of waiters, which is linked by Next. Each waiter gets the round of fs.
// unlock wakes them.
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

// withdraw takes p off a list. It reports false if p is not on it.
func withdraw(list **park.Parker, p *park.Parker) bool {
	for ; *list != nil; list = &(*list).Next {
		if *list == p {
			*list = p.Next
			return true
		}
	}
	return false
}

// failuresLocked returns the failures of the scheduler's own set, or nil if shared is nil.
func (s *Scheduler) failuresLocked() *failures {
	if s.shared == nil {
		return nil
	}
	return &s.shared.failures
}

// Wait blocks until every task has ended, also those of sets. It raises the panics and Goexits of
// the tasks of the scheduler's own set. If ctx, which may be nil, ends first, it returns the cause.
func (s *Scheduler) Wait(ctx context.Context) error {
	r, err := s.join(ctx)
	if err == nil {
		r.raise()
	}
	return err
}

// join is Wait, but returns the round instead of raising it.
func (s *Scheduler) join(ctx context.Context) (*round, error) {
	if !peek(s, s.idleLocked) {
		runtime.Gosched() // the last task that was started runs now; if it is short, the wait need not park
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
	for looked := false; ; looked = true {
		p := park.Get(ctx != nil && ctx.Done() != nil)
		v := get(w.s, func(do *todo) seen { return w.enterLocked(p, looked, do) })
		var err error
		if !v.idle && !v.othersWait {
			v.round, v.othersWait, err = w.park(ctx, p)
		}
		p.Free()
		if !v.othersWait {
			return v.round, err
		}
		if w.isWithin() {
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
		*list = nil
		first.Result = lookAgain
		do.wakes(first)
	}
	p.Next, *list = *list, p
	w.s.idleNowLocked(do) // only background tasks may be left
	return v
}

// park blocks until p is woken, or ctx ends. It reports whether the caller must call isWithin.
func (w *wait) park(ctx context.Context, p *park.Parker) (*round, bool, error) {
	reason := ForSome
	if w.list() == &w.s.waiters {
		reason = ForTasks
	}
	defer w.s.noteBlocked(reason).end()
	if !p.Wait(doneOf(ctx)) {
		if peek(w.s, func() bool { return withdraw(w.list(), p) }) {
			return nil, false, context.Cause(ctx)
		}
		p.Wait(nil) // the goroutine that released p is about to wake it
	}
	result := race.Load(&p.Result)
	r, _ := result.(*round)
	return r, result == lookAgain, nil
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

// WaitContext is Wait, but returns a *core.StuckError if ctx ends while a task is left.
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

// Seal blocks until every task has ended, closes the scheduler, and raises the panics and Goexits
// of the tasks. A deferred function of a scope calls it with the value that recover returned. If
// that is not nil, Seal panics with it again, with the tasks' panics as its Others.
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
