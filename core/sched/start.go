package sched

import (
	"context"
	"errors"
	"sync"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// ErrClosed is returned where a scheduler was closed before a task was accepted.
var ErrClosed = errors.New("closed")

// ErrFull is returned where there is no room and the caller does not wait for it.
var ErrFull = errors.New("full")

// todo is what is to be done once mu is free.
type todo struct {
	spawn int32        // workers that are to be started
	wake  *park.Parker // goroutines that are to be woken, linked by Next
	start *direct      // the caller's own task, in a race build; see startDirect
	lends []*Set       // whose waiters lend their places to workers that are to be started
	yield bool         // submitters were woken: the time slice is best handed on

	cancel []context.CancelCauseFunc // of the background tasks that are to be cancelled
}

func (do *todo) wakes(p *park.Parker) { p.Next, do.wake = do.wake, p }

// unlock lets mu go, and does what is to be done.
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

// spawn starts the workers that are to be started. In a race build the goroutine that
// calls the scheduler does so itself, for it is their clock that they inherit.
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

// locked calls f with mu held, and does what is to be done.
func (s *Scheduler) locked(f func(do *todo)) {
	get(s, func(do *todo) struct{} { f(do); return struct{}{} })
}

// peek calls f with mu held. f must not write what its caller reads, as for get.
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

// todos has empty ones that are not in use: one that a function is given has to be on the heap.
var todos = sync.Pool{New: func() any { return new(todo) }}

// get is locked for a function with a result. f must not write what its caller reads: in a
// race build that would be a race.
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

// goSlow is Go with mu held, which it lets go.
func (s *Scheduler) goSlow(set *Set, t Task) bool {
	var do todo
	if s.semaphoreLocked() != nil || set.place().runs() {
		s.mu.Unlock()
		return s.start(nil, set.place(), set, t) == nil
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

// acceptLocked accepts a task if there is room, and sees to it that a worker will take it.
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

// pushLocked adds a task to those that are unclaimed.
func (s *Scheduler) pushLocked(set *Set, t Task, do *todo) {
	if q := set.queueOfKey(); q == nil || q.acceptLocked(t) {
		s.queueLocked(set, t, do)
	}
}

// queueLocked adds a task to those that are unclaimed, whatever its key.
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

// wakeLocked sees to it that up to want workers search while tasks are unclaimed: it counts
// them, and they are woken or started once mu is free.
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

// tendLocked is wakeLocked, unless a submitter yields, which will do it when it is back.
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

// TryGo accepts a task if there is room, and otherwise returns ErrFull or ErrClosed.
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

// TryHelp is TryGo for a helper: a task of the toolkit's own, which is not counted as one. It calls
// Help when it begins.
func (s *Scheduler) TryHelp(set *Set, t Task) error { return s.try(set, carry(t), true) }

// try accepts a task that has what permits it needs.
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

// start accepts a task as soon as there is room. It gives up when ctx ends, unless that is nil, and
// returns the cause. If within is a task whose place may be lent, and there is no room, it
// runs the task there.
func (s *Scheduler) start(ctx context.Context, within *Context, set *Set, t Task) error {
	sem := s.config().Semaphore
	for {
		reserved, err := s.submit(ctx, within, set, t, sem != nil)
		if err == nil && !reserved {
			return nil
		}
		if err == nil && sem != nil {
			err = s.acquire(ctx, within, sem)
		}
		if err == errLent {
			if reserved && within.lends(s) { // a place is lent, too
				s.unreserve()
				reserved = false
			}
			s.runLent(within, set, t)
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

// acquire takes a permit for a submitter that has reserved a place. If within holds one, and
// there is no other, it returns errLent. If it fails otherwise, it gives the place up.
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

// usePlace accepts a task in the place that is reserved for it. It reports false, and gives
// the place up, if the limit has become lower meanwhile.
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

// errLent is returned by submit if the task is to run on the place of its submitter.
var errLent = errors.New("lent")

// submit returns nil when the task was accepted, or, if it reports reserved, when a place is
// reserved for it.
func (s *Scheduler) submit(ctx context.Context, within *Context, set *Set, t Task, reserves bool) (reserved bool, err error) {
	b := newSubmitter()
	defer b.free()
	b.task, b.set, b.patient, b.reserves = t, set, ctx == nil, reserves
	lends := within.lends(s)
	err = get(s, func(do *todo) error { return s.enterLocked(b, lends, do) })
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
	case state == replaced:
		return false, ErrReplaced
	case ctx != nil && ctx.Err() != nil:
		s.unreserve()
		return false, context.Cause(ctx)
	}
	return true, nil
}

// errBlocked is returned by enterLocked if the submitter is listed.
var errBlocked = errors.New("blocked")

func (s *Scheduler) enterLocked(b *submitter, lends bool, do *todo) error {
	l := &s.share().limiter
	switch {
	case l.closed:
		return s.enterClosedLocked(b, lends, do)
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
	// One that can give up starts its task itself, where that begins at once.
	b.reserves = b.reserves || !b.patient && l.waiting == 0
	s.blockLocked(b)
	return errBlocked
}

// enterClosedLocked is enterLocked after Close. A task that has not ended may go on to
// start others, as long as none were dropped.
func (s *Scheduler) enterClosedLocked(b *submitter, lends bool, do *todo) error {
	switch {
	case !lends || s.shared.limiter.dropped:
		return ErrClosed
	case b.reserves || s.roomLocked() <= 0:
		return errLent
	}
	s.pushLocked(b.set, b.task, do)
	return nil
}

// unreserve gives up a reserved place.
func (s *Scheduler) unreserve() {
	s.locked(func(do *todo) {
		s.shared.limiter.reserved--
		s.admitLocked(do)
	})
}

// GoContext accepts a task that has a context, as soon as there is room. It gives up when
// ctx, of which that context derives, ends, and returns the cause. If ctx is that of a task of this
// scheduler, or of one that shares its semaphore, and there is no room, it runs the task on
// the place of that one and returns when it has ended.
func (s *Scheduler) GoContext(ctx context.Context, set *Set, t Task) error {
	if ctx.Err() != nil {
		return declined(t, context.Cause(ctx))
	}
	if !race.Hidden && s.acceptNow(set, t) {
		return nil
	}
	within := taskOf(ctx)
	if !within.lends(s) && set.place().runs() {
		within = set.within
	}
	return declined(t, s.start(ctx, within, set, carry(t)))
}
