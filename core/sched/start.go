package sched

import (
	"context"
	"errors"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// This file accepts tasks. Go has a fast path, which takes mu once and adds the task to the last
// segment of the run queue. Everything else is slow: no room, a closed scheduler, a semaphore, a
// worker to wake, a place to lend.

// Go accepts a task of the given set; nil is the scheduler's own set. It blocks until there is
// room. It reports false if the scheduler is closed, also if that happens while Go blocks.
func (s *Scheduler) Go(set *Set, t Task) bool {
	if race.Hidden {
		return declined(t, s.goHidden(set, t)) == nil
	}
	return s.acceptFast(set, t) || s.goSlow(set, t)
}

// goOnly accepts a task if there is no other, and reports whether it has.
func (s *Scheduler) goOnly(t Task) bool {
	if c := s.config(); c.Semaphore != nil || c.entry != nil || c.trace != nil || !s.only.CompareAndSwap(noTask, starting) {
		return false
	}
	w := newWorker(s)
	w.task, w.busy, w.only = t, true, true
	go w.start()
	return true
}

// acceptFast accepts a task and reports true if there is no other, or if the task needs no new
// segment, the budget is not spent, and no worker must be woken. If the segment has room, a task of
// the set is unclaimed: then no waiter for the set has a place to lend either. acceptFast returns
// with mu held if it reports false. If Go locked mu again before it blocks, an empty task under a
// limit would take 12 % longer.
func (s *Scheduler) acceptFast(set *Set, t Task) bool {
	if s.only.Load() == noTask && set == nil && s.goOnly(t) {
		return true
	}
	if !s.mu.TryLock() { // this is lock, written out: a call costs 1 ns
		s.lockSlow(longPauses)
	}
	x := s.shared
	if x == nil || x.limiter.budget <= 0 || x.searching < x.limiter.searchers && !s.fullLocked() || !x.queue.fits(set) {
		return false
	}
	x.queue.pushFast(t, set)
	x.limiter.budget--
	x.accepted++
	s.mu.Unlock()
	return true
}

// goSlow is Go for a task that acceptFast has not accepted. It is called with mu held, and releases
// it.
func (s *Scheduler) goSlow(set *Set, t Task) bool {
	if s.config().Semaphore != nil || set.parentTask().runs() {
		s.mu.Unlock()
		return declined(t, s.start(nil, set, t)) == nil
	}
	if s.acceptLocked(set, t) {
		s.unlock()
		return true
	}
	b := newSubmitter()
	b.task, b.set, b.patient = t, set, true
	err := s.submitFullLocked(b, false, false)
	s.unlock()
	_, err = s.submitted(nil, b, t, err)
	return declined(t, err) == nil
}

// acceptLocked accepts a task if there is room, and wakes a worker for it if it needs one. It
// reports false if there is no room.
func (s *Scheduler) acceptLocked(set *Set, t Task) bool {
	if x := s.shared; x != nil {
		if !s.hasRoomLocked() {
			return false
		}
		x.limiter.budget--
		if s.config().Semaphore != nil {
			x.limiter.budget = 0 // the next task needs a permit
		}
	}
	s.pushLocked(set, t)
	return true
}

// GoContext accepts a task that has a context, which derives from ctx. It blocks until there is
// room. It returns the cause if ctx ends first. It returns ErrClosed if the scheduler is closed.
// GoContext runs the new task on the place of the task of ctx if there is no room and the task of
// ctx belongs to this scheduler or to one that shares its semaphore. Then it returns when the new
// task has ended.
func (s *Scheduler) GoContext(ctx context.Context, set *Set, t Task) error {
	if ctx.Err() != nil {
		return declined(t, context.Cause(ctx))
	}
	if !race.Hidden && s.acceptNow(set, t) {
		return nil
	}
	return declined(t, s.start(ctx, set, carry(t)))
}

// acceptNow accepts a task if there is room and it needs no permit.
func (s *Scheduler) acceptNow(set *Set, t Task) bool {
	if s.acceptFast(set, t) {
		return true
	}
	ok := s.config().Semaphore == nil && s.acceptLocked(set, t)
	s.unlock()
	return ok
}

// TryGo accepts a task if there is room, and otherwise returns ErrFull or ErrClosed. It does not
// block.
func (s *Scheduler) TryGo(set *Set, t Task) error {
	sem := s.config().Semaphore
	permit := sem == nil || sem.TryAcquire(1)
	err := s.try(set, carry(t), permit, false)
	if err != nil && permit && sem != nil {
		sem.Release(1)
	}
	return declined(t, err)
}

// TryHelp is TryGo for a helper: a task of the toolkit, which the counts leave out. The helper
// calls MarkHelper when it begins.
func (s *Scheduler) TryHelp(set *Set, t Task) error { return s.try(set, carry(t), true, true) }

// try accepts a task if there is room and permit is set: the caller holds a permit, or the task
// needs none. It does not block.
func (s *Scheduler) try(set *Set, t Task, permit, helps bool) error {
	inside := set.parentTask().runs()
	return inLock(s, func() error {
		err := s.tryLocked(set, t, inside, permit)
		if err == nil && helps {
			s.shared.helpers++
			s.shared.helping++
		}
		return err
	})
}

func (s *Scheduler) tryLocked(set *Set, t Task, inside, permit bool) error {
	if permit && s.acceptLocked(set, t) {
		return nil
	}
	switch l := &s.share().limiter; {
	case !l.closed:
		return ErrFull
	case !inside || l.closedToTasks:
		return ErrClosed
	case !permit || s.roomLocked() <= 0:
		return ErrFull
	}
	s.pushLocked(set, t)
	return nil
}

// start accepts a task. It blocks until there is room. It returns the cause if ctx, which may be
// nil, ends first. It runs the new task on the place of a task, and returns when the new task has
// ended, if there is no room and the caller may lend that place.
func (s *Scheduler) start(ctx context.Context, set *Set, t Task) error {
	sem := s.config().Semaphore
	by := s.lenderOf(ctx, set)
	inside := by.task.holdsPlace(s)
	for {
		reserved, err := s.submit(ctx, by.task, inside, set, t, sem != nil)
		if err == nil && !reserved {
			return nil
		}
		if err == nil && sem != nil {
			err = s.acquire(ctx, by.task, sem)
		}
		if err == errLent {
			lends := by.mayLend(set) // if it reports false, by.task is nil now
			if reserved && (!lends || by.task.holdsPlace(s)) {
				s.unreserve() // the task needs no place of its own
				reserved = false
			}
			if !lends {
				continue
			}
			s.runLent(by.task, set, t)
			if reserved {
				s.unreserve()
			}
			return nil
		}
		if err != nil {
			return err
		}
		if s.usePlace(set, t) {
			return nil
		}
		if sem != nil {
			releasePermit(sem)
		}
	}
}

// lenderOf returns the lender for a submitter: the task from whose context ctx derives, or else
// the task for which the set was made. ctx may be nil. Without a context a goroutine of that task
// cannot say whose it is, so any caller lends the place: the task may wait for the caller.
func (s *Scheduler) lenderOf(ctx context.Context, set *Set) lender {
	if ctx == nil {
		return lender{task: set.parentTask()}
	}
	if parent := taskOf(ctx); parent.holdsPlace(s) || !set.parentTask().runs() {
		return lender{task: parent}
	}
	return lender{set.parentTask(), true}
}

// acquire takes a permit for a submitter that has reserved a place. It blocks until there is a
// permit or ctx ends. It returns errLent if there is no permit and the task parent holds one.
// The place is no longer reserved if it returns any other error.
func (s *Scheduler) acquire(ctx context.Context, parent *Context, sem *core.Semaphore) error {
	if sem.TryAcquire(1) {
		return nil
	}
	if parent.holdsPermit(sem) {
		return errLent
	}
	defer s.noteBlocked(ForSemaphore).end()
	if doneOf(ctx) == nil {
		return s.acquirePatiently(sem)
	}
	err := sem.Acquire(ctx, 1)
	if err != nil {
		s.unreserve()
	}
	return err
}

// usePlace accepts a task in the place that is reserved for it. It reports false if the limit has
// become too low, or the scheduler is closed. In both cases the place is no longer reserved.
func (s *Scheduler) usePlace(set *Set, t Task) bool {
	return inLock(s, func() bool {
		l := &s.shared.limiter
		l.reserved--
		l.budget = 0
		ok := s.roomLocked() > 0 && !l.closed
		if ok {
			s.pushLocked(set, t)
		}
		return ok
	})
}

// errLent is what submit and acquire return if the task must run on the place of its submitter.
var errLent = errors.New("lent")

// submit accepts a task, or reserves a place for it and reports reserved. It blocks until there is
// room or ctx, which may be nil, ends.
func (s *Scheduler) submit(ctx context.Context, parent *Context, inside bool, set *Set, t Task, reserves bool) (reserved bool, err error) {
	b := newSubmitter()
	b.task, b.set, b.patient, b.reserves = t, set, ctx == nil, reserves
	lends := parent.holdsPlace(s)
	err = inLock(s, func() error { return s.submitLocked(b, lends, inside) })
	return s.submitted(ctx, b, t, err)
}

// submitted is the rest of submit after submitLocked has returned err for the task t.
func (s *Scheduler) submitted(ctx context.Context, b *submitter, t Task, err error) (reserved bool, _ error) {
	defer b.free()
	if err != errBlocked {
		return err == nil && race.Load(&b.reserves), err
	}
	state, err := s.await(ctx, b)
	switch {
	case err != nil || state == admitted:
		return false, err
	case race.Hidden && state == started:
		s.startDirect(direct{t, race.Load(&b.set), s.isOrdered()})
		return false, nil
	case state == refused:
		return false, ErrClosed
	case state == replaced:
		return false, ErrReplaced
	case ctx != nil && ctx.Err() != nil:
		s.unreserve()
		return false, context.Cause(ctx)
	}
	return true, nil
}

// errBlocked is what submitLocked returns if it has listed the submitter.
var errBlocked = errors.New("blocked")

func (s *Scheduler) submitLocked(b *submitter, lends, inside bool) error {
	s.share()
	if !s.hasRoomLocked() {
		return s.submitFullLocked(b, lends, inside)
	}
	l := &s.shared.limiter
	if b.reserves {
		l.reserved++
		l.budget = 0
		return nil
	}
	l.budget--
	s.pushLocked(b.set, b.task)
	return nil
}

// submitFullLocked is submitLocked if there is no room.
func (s *Scheduler) submitFullLocked(b *submitter, lends, inside bool) error {
	l := &s.shared.limiter
	switch {
	case l.closed:
		return s.submitClosedLocked(b, lends, inside)
	case lends:
		return errLent
	}
	// A submitter that can give up starts its task itself if the task must begin at once.
	b.reserves = b.reserves || !b.patient && l.mayWait == 0
	s.blockLocked(b)
	return errBlocked
}

// submitClosedLocked is submitLocked after ClosePool. Until Drop, a task that has not ended may
// still start others, and so may a submitter of a set that was made for such a task.
func (s *Scheduler) submitClosedLocked(b *submitter, lends, inside bool) error {
	switch {
	case !inside || s.shared.limiter.closedToTasks:
		return ErrClosed
	case !b.reserves && s.roomLocked() > 0:
		s.pushLocked(b.set, b.task)
		return nil
	case lends:
		return errLent
	}
	s.blockLocked(b)
	return errBlocked
}

// goHidden is Go in a race build.
func (s *Scheduler) goHidden(set *Set, t Task) error {
	if set != nil {
		return s.start(nil, set, carry(t))
	}
	if race.Load(&s.shared) == nil {
		s.locked(func() { s.share() })
	}
	sem := s.config().Semaphore
	for {
		state, err := s.submitHidden(sem != nil)
		if state == admitted { // the task is not direct
			return s.start(nil, nil, carry(t))
		}
		if state == refused {
			err = ErrClosed
		}
		if state == hasPlace {
			err = s.acquire(nil, nil, sem)
		}
		if err != nil {
			return err
		}
		if state == hasPlace && !s.usePlaceHidden() {
			releasePermit(sem)
			continue
		}
		s.startDirect(direct{t, nil, s.isOrdered()})
		return nil
	}
}

// submitHidden counts a direct task as running, or reserves a place for it. It blocks until there
// is room. It returns refused if the scheduler is closed, and admitted if the task cannot be
// direct.
func (s *Scheduler) submitHidden(reserves bool) (submitterState, error) {
	b := newSubmitter()
	b.patient, b.reserves, b.link.Value = true, reserves, b
	s.enter.Release()
	state := s.submitDirect(b)
	if state == blocked {
		return s.parkSubmitter(nil, b, race.Load(&b.parker))
	}
	return state, nil
}

// submitDirect counts a direct task as running, or reserves a place for it, if there is room.
// Otherwise it lists the submitter. It returns admitted if the task cannot be direct. It is
// compiled without instrumentation, so it needs no hidden goroutine. For that it calls only
// functions that the compiler inlines. The same holds for the functions below with go:norace.
//
//go:norace
func (s *Scheduler) submitDirect(b *submitter) submitterState {
	race.Disable()
	s.mu.Lock()
	l := &s.shared.limiter
	l.budget = 0
	state := blocked
	switch {
	case l.mayWait > 0:
		state = admitted
	case l.closed:
		state = refused
	case !l.submitters.Empty() || s.busy+l.reserved >= l.limit:
		l.submitters.PushBack(&b.link)
	case b.reserves:
		state = hasPlace
		l.reserved++
	default:
		state = started
		s.busy++
		s.shared.accepted++
	}
	s.mu.Unlock()
	race.Enable()
	return state
}

// usePlaceHidden is usePlace for a direct task.
//
//go:norace
func (s *Scheduler) usePlaceHidden() bool {
	race.Disable()
	s.mu.Lock()
	l := &s.shared.limiter
	l.reserved--
	l.budget = 0
	ok := !l.closed && s.busy+l.reserved < l.limit
	if ok {
		s.busy++
		s.shared.accepted++
	}
	s.mu.Unlock()
	race.Enable()
	return ok
}

// declined calls Ended with err for a task that will not run. It does nothing if err is nil. It
// returns err, but panics with its text if err is a deadlock.
func declined(t Task, err error) error {
	if err == nil {
		return nil
	}
	recordOf(t).declined(err)
	if d, ok := err.(deadlock); ok {
		panic(string(d))
	}
	return err
}
