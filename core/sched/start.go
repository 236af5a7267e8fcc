package sched

import (
	"context"
	"errors"
	"sync"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// ErrClosed is the error for a task that was not accepted, or was dropped, because its scheduler
// was closed.
var ErrClosed = errors.New("closed")

// ErrFull is the error of calls that do not block for room, if there is none.
var ErrFull = errors.New("full")

// todo lists what unlock does after it has released mu.
type todo struct {
	spawn int32        // workers to start
	wake  *park.Parker // goroutines to wake, linked by Next
	start *direct      // the caller's task, which the caller starts itself in a race build; see startDirect
	lends []*Set       // for each, a worker to start on the lent place of one of its waiters
	yield bool         // submitters are woken; the worker yields to them

	cancel []context.CancelCauseFunc // cancel functions of background tasks
}

func (do *todo) wakes(p *park.Parker) { p.Next, do.wake = do.wake, p }

// unlock releases mu, and then does what do lists. In a race build its caller starts the workers.
func (s *Scheduler) unlock(do *todo) {
	x := s.shared
	s.mu.Unlock()
	if do.wake == nil && do.spawn == 0 && do.lends == nil && do.cancel == nil {
		return
	}
	if do.wake != nil {
		park.WakeAll(do.wake)
		do.wake = nil
	}
	if do.cancel != nil {
		s.cancelAll(do)
	}
	if !race.Hidden {
		s.spawn(x, do)
	}
}

// spawn starts the workers that do lists. In a race build the goroutine that calls the scheduler
// runs it, not the hidden one, because the workers inherit its clock.
func (s *Scheduler) spawn(x *shared, do *todo) {
	for range do.spawn {
		if x == nil {
			go s.work()
		} else {
			go x.work()
		}
	}
	for _, set := range race.Copy(do.lends) {
		go s.workLent(set)
	}
	if race.Hidden && do.start != nil {
		s.startDirect(race.Load(do.start))
	}
}

// locked calls f with mu held, and then does what f has added to its todo.
func (s *Scheduler) locked(f func(do *todo)) {
	get(s, func(do *todo) struct{} { f(do); return struct{}{} })
}

// peek calls f with mu held, and returns its result. f must not write variables that its caller
// reads, as for get.
func peek[T any](s *Scheduler, f func() T) T {
	if race.Hidden {
		return race.Get(func() T {
			s.lock()
			defer s.mu.Unlock()
			return f()
		})
	}
	s.lock()
	v := f()
	s.mu.Unlock()
	return v
}

// todos holds empty todos. A todo that is passed to a function value has to be on the heap.
var todos = sync.Pool{New: func() any { return new(todo) }}

// get is locked for a function with a result. f must not write variables that its caller reads: in
// a race build that would be a race.
func get[T any](s *Scheduler, f func(do *todo) T) T {
	if !race.Hidden {
		do := todos.Get().(*todo)
		s.lock()
		v := f(do)
		s.unlock(do)
		*do = todo{}
		todos.Put(do)
		return v
	}
	type result struct {
		v  T
		do todo
	}
	r := race.Get(func() result {
		var r result
		s.lock()
		r.v = f(&r.do)
		s.unlock(&r.do)
		return r
	})
	s.spawn(nil, &r.do)
	return r.v
}

// goSlow is Go without the fast path. It is called with mu held, and releases it.
func (s *Scheduler) goSlow(set *Set, t Task) bool {
	var do todo
	if s.semaphoreLocked() != nil || set.place().runs() {
		s.mu.Unlock()
		return s.start(nil, set, t) == nil
	}
	if s.acceptLocked(set, t, &do) {
		s.unlock(&do)
		return true
	}
	if s.shared.limiter.closed {
		s.mu.Unlock()
		return declined(t, ErrClosed) == nil
	}
	b := newSubmitter()
	b.task, b.set, b.patient = t, set, true
	s.blockLocked(b)
	s.unlock(&do)
	state, _ := s.await(nil, b)
	b.free()
	return state == admitted || declined(t, ErrClosed) == nil
}

// acceptLocked accepts a task if there is room, and wakes a worker for it if it needs one. It
// reports false if there is no room.
func (s *Scheduler) acceptLocked(set *Set, t Task, do *todo) bool {
	if x := s.shared; x != nil {
		if !s.fitsLocked() {
			return false
		}
		x.limiter.budget--
		if x.semaphore != nil {
			x.limiter.budget = 0 // the next task needs a permit
		}
	}
	s.pushLocked(set, t, do)
	return true
}

// pushLocked adds a task to the run queue, or to the line of its key if that is busy.
func (s *Scheduler) pushLocked(set *Set, t Task, do *todo) {
	if q := set.queueOfKey(); q == nil || q.acceptLocked(t) {
		s.queueLocked(set, t, do)
	}
}

// queueLocked adds a task to the run queue, also if its key is busy.
func (s *Scheduler) queueLocked(set *Set, t Task, do *todo) {
	if s.isDirectLocked() {
		d := s.directLocked(set, t)
		do.start = &d
		return
	}
	x := s.shared
	switch {
	case x == nil && !s.begun:
		s.first = t
	case set == nil && s.first == nil && s.share().queue.n == 0:
		s.first = t
	default:
		s.share().queue.push(t, set)
	}
	x = s.shared
	if x != nil {
		x.accepted++
	}
	if set.lendsLocked() {
		set.lent++
		do.lends = append(do.lends, set)
	}
	if x == nil {
		s.begun = true
		s.searching, do.spawn = 1, 1
		return
	}
	s.tendLocked(x.limiter.spread, do)
}

// wakeLocked makes up to want workers search while tasks are unclaimed. It counts them as
// searching; unlock wakes or starts them.
func (s *Scheduler) wakeLocked(want int16, do *todo) {
	if s.searching >= want || s.fullLocked() {
		return
	}
	want = int16(min(s.unclaimedLocked(), int(want)))
	for s.searching < want && !s.fullLocked() {
		s.searching++
		if s.shared.idle != nil {
			s.wakeIdleLocked(do)
		} else {
			s.shared.workers++
			do.spawn++
		}
	}
}

// tendLocked is wakeLocked, unless a submitter yields: that submitter calls wakeLocked when it
// returns.
func (s *Scheduler) tendLocked(want int16, do *todo) {
	if s.shared.limiter.yielding == 0 || s.busy == 0 {
		s.wakeLocked(want, do)
	}
}

// acceptNow accepts a task if there is room and it needs no permit.
func (s *Scheduler) acceptNow(set *Set, t Task) bool {
	s.lock()
	if s.acceptFastLocked(set, t) {
		s.mu.Unlock()
		return true
	}
	var do todo
	ok := s.semaphoreLocked() == nil && s.acceptLocked(set, t, &do)
	s.unlock(&do)
	return ok
}

// TryGo accepts a task if there is room, and otherwise returns ErrFull or ErrClosed. It does not
// block.
func (s *Scheduler) TryGo(set *Set, t Task) error {
	sem := s.config().Semaphore
	if sem != nil && !sem.TryAcquire(1) {
		return declined(t, ErrFull)
	}
	err := s.try(set, carry(t), false)
	if err == nil {
		return nil
	}
	if sem != nil {
		sem.Release(1)
	}
	return declined(t, err)
}

// TryHelp is TryGo for a helper: a task of the toolkit, which the counts leave out. The helper
// calls Help when it begins.
func (s *Scheduler) TryHelp(set *Set, t Task) error { return s.try(set, carry(t), true) }

// try accepts a task for which the caller holds a permit, if there is a semaphore. It does not
// block.
func (s *Scheduler) try(set *Set, t Task, helps bool) error {
	inside := set.place().runs()
	return get(s, func(do *todo) error {
		err := s.tryLocked(set, t, inside, do)
		if err == nil && helps {
			s.shared.helpers++
			s.shared.helping++
		}
		return err
	})
}

func (s *Scheduler) tryLocked(set *Set, t Task, inside bool, do *todo) error {
	if s.acceptLocked(set, t, do) {
		return nil
	}
	switch l := &s.shared.limiter; {
	case !l.closed:
		return ErrFull
	case !inside || l.dropped:
		return ErrClosed
	case s.roomLocked() <= 0:
		return ErrFull
	}
	s.pushLocked(set, t, do)
	return nil
}

// start accepts a task. It blocks until there is room. If ctx, which may be nil, ends first, it
// returns the cause. If there is no room and the caller may lend the place of a task, it runs the
// new task on that place, and returns when the new task has ended.
func (s *Scheduler) start(ctx context.Context, set *Set, t Task) error {
	sem := s.config().Semaphore
	by := s.submitterOf(ctx, set)
	inside := by.task.lends(s)
	for {
		reserved, err := s.submit(ctx, by.task, inside, set, t, sem != nil)
		if err == nil && !reserved {
			return nil
		}
		if err == nil && sem != nil {
			err = s.acquire(ctx, by.task, sem)
		}
		if err == errLent {
			holds := by.holds(set) // if not, by.task is nil now
			if reserved && (!holds || by.task.lends(s)) {
				s.unreserve() // the task needs no place of its own
				reserved = false
			}
			if !holds {
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

// submitterOf returns whose place a submitter may lend: that of the task from which ctx derives, or
// else that of the task for which the set was made. ctx may be nil.
func (s *Scheduler) submitterOf(ctx context.Context, set *Set) lender {
	if ctx != nil {
		if within := taskOf(ctx); within.lends(s) || !set.place().runs() {
			return lender{task: within}
		}
	}
	return lender{set.place(), true}
}

// acquire takes a permit for a submitter that has reserved a place. It blocks until there is a
// permit or ctx ends. If there is no permit, and the task of within holds one, it returns errLent.
// If it returns any other error, the place is no longer reserved.
func (s *Scheduler) acquire(ctx context.Context, within *Context, sem *core.Semaphore) error {
	if sem.TryAcquire(1) {
		return nil
	}
	if within.holds(sem) {
		return errLent
	}
	if ctx == nil {
		ctx = context.Background()
	}
	err := s.acquireBlocked(ctx, sem)
	if err != nil {
		s.unreserve()
	}
	return err
}

// usePlace accepts a task in the place that is reserved for it. It reports false if the limit has
// become too low, or the scheduler is closed. In both cases the place is no longer reserved.
func (s *Scheduler) usePlace(set *Set, t Task) bool {
	return get(s, func(do *todo) bool {
		l := &s.shared.limiter
		l.reserved--
		l.budget = 0
		ok := s.roomLocked() > 0 && !l.closed
		if ok {
			s.pushLocked(set, t, do)
		}
		return ok
	})
}

// submit returns errLent if its caller must run the task on the place of the submitter.
var errLent = errors.New("lent")

// submit accepts a task, or reserves a place for it and reports reserved. It blocks until there is
// room or ctx, which may be nil, ends.
func (s *Scheduler) submit(ctx context.Context, within *Context, inside bool, set *Set, t Task, reserves bool) (reserved bool, err error) {
	b := newSubmitter()
	defer b.free()
	b.task, b.set, b.patient, b.reserves = t, set, ctx == nil, reserves
	lends := within.lends(s)
	err = get(s, func(do *todo) error { return s.enterLocked(b, lends, inside, do) })
	if err != errBlocked {
		return reserves && err == nil, err
	}
	state, err := s.await(ctx, b)
	switch {
	case err != nil || state == admitted:
		return false, err
	case state == started:
		s.startDirect(direct{t, set, s.isOrdered()})
		return false, nil
	case state == refused:
		return false, ErrClosed
	case ctx != nil && ctx.Err() != nil:
		s.unreserve()
		return false, context.Cause(ctx)
	}
	return true, nil
}

// enterLocked returns errBlocked if it has listed the submitter.
var errBlocked = errors.New("blocked")

func (s *Scheduler) enterLocked(b *submitter, lends, inside bool, do *todo) error {
	l := &s.share().limiter
	switch {
	case l.closed:
		return s.enterClosedLocked(b, lends, inside, do)
	case s.fitsLocked() && b.reserves:
		l.reserved++
		l.budget = 0
		return nil
	case l.budget > 0:
		l.budget--
		s.pushLocked(b.set, b.task, do)
		return nil
	case lends:
		return errLent
	}
	// If a task must begin at once, a submitter that can give up starts it itself.
	b.reserves = b.reserves || !b.patient && l.waiting == 0
	s.blockLocked(b)
	return errBlocked
}

// enterClosedLocked is enterLocked after Shut. Until Drop, a task that has not ended may still start
// others, and so may a submitter of a set that was made for such a task.
func (s *Scheduler) enterClosedLocked(b *submitter, lends, inside bool, do *todo) error {
	switch {
	case !inside || s.shared.limiter.dropped:
		return ErrClosed
	case !b.reserves && s.roomLocked() > 0:
		s.pushLocked(b.set, b.task, do)
		return nil
	case lends:
		return errLent
	}
	s.blockLocked(b)
	return errBlocked
}

// unreserve gives up a reserved place.
func (s *Scheduler) unreserve() {
	s.locked(func(do *todo) {
		s.shared.limiter.reserved--
		s.admitLocked(do)
	})
}

// GoContext accepts a task that has a context, which derives from ctx. It blocks until there is
// room. If ctx ends first, it returns the cause. If the scheduler is closed, it returns ErrClosed.
// If there is no room, and ctx is that of a task of this scheduler or of one that shares its
// semaphore, GoContext runs the new task on the place of that task, and returns when the new task
// has ended.
func (s *Scheduler) GoContext(ctx context.Context, set *Set, t Task) error {
	if ctx.Err() != nil {
		return declined(t, context.Cause(ctx))
	}
	if !race.Hidden && s.acceptNow(set, t) {
		return nil
	}
	return declined(t, s.start(ctx, set, carry(t)))
}
