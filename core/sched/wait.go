package sched

import (
	"context"
	"errors"
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
	within *Context   // the task for which it was made; nil if there is none; does not change
	maker  uint64     // the goroutine that made it, where within is not nil; does not change

	failures   failures
	round      uint64 // how often a task was accepted while there was no other
	busy       int    // workers that have a task of the set, or a segment
	segments   int    // segments that hold tasks of the set
	lenders    int    // waiters that lend their place
	lent       int    // workers that run on those places
	passed     int    // those of them whose task passes the place on
	waiters    *park.Parker
	reclaims   *park.Parker // waiters that want their place back
	reclaiming int          // how many they are

	key *keyQueue // of a set of tasks of one key; does not change
}

// NewSet returns a set of tasks of s. If ctx is that of a task of s, the set is for that task,
// whose place those that hold it may lend to tasks of the set.
func (s *Scheduler) NewSet(ctx context.Context, owner any) *Set {
	return &Set{Owner: owner, sched: s, within: taskOf(ctx).place(s)}
}

// Made notes that the caller has made the set, with the context of the task that it is for. That
// takes microseconds, unless there is no such task.
func (set *Set) Made() {
	if set.within != nil {
		set.maker = GoroutineID()
	}
}

// scheduler returns the set's. The detector does not see that it was written: the set of a key is
// made where nobody's clock is known.
func (set *Set) scheduler() *Scheduler { return race.Load(&set.sched) }

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
	return race.Load(&set.within)
}

func (set *Set) idleLocked() bool {
	return set.busy == 0 && set.segments == 0 && (set.key == nil || set.key.waits == 0)
}

// idleLocked reports whether no task is left.
func (s *Scheduler) idleLocked() bool {
	return s.quietLocked() && (s.shared == nil || s.shared.backgrounds.n == 0)
}

// quietLocked reports whether no task is left but background tasks.
func (s *Scheduler) quietLocked() bool {
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

// A wait is one call of a Wait. The functions below need mu.
type wait struct {
	s       *Scheduler
	set     *Set  // whose tasks it waits for; nil for all
	keys    *keys // whose tasks it waits for; nil for all
	workers bool  // it waits for the workers instead
}

// list returns those that wait for the same.
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

// takeLocked takes what there is to raise when the wait is over.
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

// isWithin reports whether the caller runs a task that it would wait for. It takes
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

// errWithin is returned to a task that would wait for itself.
var errWithin = errors.New("within one of its own tasks")

// hasLooked is the Result of a Parker whose goroutine runs no task that it waits for.
var hasLooked any = new(byte)

// seen is what a wait finds.
type seen struct {
	idle       bool
	othersWait bool // others wait, and the caller has to look whose task it runs
	*round
}

// until blocks until the wait is over, or ctx, if it is not nil, ends. It returns what there is to raise.
//
// As soon as two wait, each looks once whether it would wait for itself: that is what a task does
// that waits for its own owner, while somebody outside waits too. One that waits alone does not
// look, because that takes microseconds.
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

// enterLocked lists p, unless the wait is over or the caller has to look first.
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
	w.s.idleNowLocked(do) // background tasks may be what is left
	return v
}

// park blocks until p is woken, or ctx ends. It reports whether the caller has to look.
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
		p.Wait(nil) // whoever released it is about to wake it
	}
	result := race.Load(&p.Result)
	r, _ := result.(*round)
	return r, result == lookAgain, nil
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
