package sched

import (
	"context"
	"math"
	"runtime"
	"sync"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// A limiter says how many further tasks a scheduler may accept, and lists the submitters
// that are blocked, in the order in which they came. The scheduler's mu guards it.
//
// The room is what may wait, and a place for each further task that may run, without
// the tasks that are unclaimed. Whenever mu is free,
//
//	no submitter is blocked, or there is less room than wakeAt.
//
// A blocked submitter leaves its task here. The worker that makes room moves the task into
// the run queue, so the task need not wait until its submitter runs.
type limiter struct {
	limit    int32 // tasks that may run at once
	workers  int32 // workers that there may be: as many, or any number where a task that is accepted must begin
	reserved int32 // places that are kept for submitters that wait for a permit of the semaphore
	yielding int16 // submitters that yield before they park
	spread   int16 // searching workers that are wanted while tasks are unclaimed
	budget   int32 // so many tasks may be accepted before the room is computed again
	closed   bool  // no task is accepted but by those that have not ended
	dropped  bool  // and not by those either
	waiting  int64 // tasks that may be accepted besides
	wakeAt   int64 // with so much room blocked submitters go on

	submitters list.List[*submitter]
}

// longQueue is the shortest queue that is let run half empty before submitters go on. To
// hand over one task at a time costs a wake-up for each.
const longQueue = 64

// mostBudget is how many tasks may be accepted at the most before the room is computed again.
// Whatever takes room otherwise sets the budget to 0.
const mostBudget = 1 << 20

func (l *limiter) init(workers, waiting int) {
	l.waiting = int64(waiting)
	l.setLimit(workers)
	l.wakeAt = 1
	if waiting >= longQueue {
		l.wakeAt = int64(waiting) / 2
	}
}

func (l *limiter) setLimit(n int) {
	l.limit = int32(min(n, math.MaxInt32))
	l.workers = l.limit
	if l.waiting == 0 {
		l.workers = math.MaxInt32
	}
	l.spread = 1
	if !l.limited() {
		l.spread = processors() // so that short tasks run on all Ps
	}
	l.budget = 0
}

// limited reports whether there is a limit on the tasks that run.
func (l *limiter) limited() bool { return l.limit != math.MaxInt32 }

// roomLocked returns how many tasks may be accepted.
func (s *Scheduler) roomLocked() int64 {
	x := s.shared
	l := &x.limiter
	places := int64(max(0, l.limit-s.busy-l.reserved))
	if l.waiting > math.MaxInt64-places {
		return math.MaxInt64
	}
	return l.waiting + places - int64(s.unclaimedLocked()-x.posted)
}

// unclaimedLocked returns the number of tasks that no worker has claimed.
func (s *Scheduler) unclaimedLocked() int {
	n := 0
	if s.first != nil {
		n++
	}
	if s.shared != nil {
		n += s.shared.queue.unclaimed()
	}
	return n
}

// fitsLocked reports whether a task may be accepted. It sets the budget.
func (s *Scheduler) fitsLocked() bool {
	l := &s.shared.limiter
	if !l.submitters.Empty() || l.closed {
		l.budget = 0
		return false
	}
	if l.budget <= 0 {
		l.budget = int32(min(s.roomLocked(), mostBudget))
	}
	return l.budget > 0
}

// bulkLocked returns how many tasks a worker may take at a time: so many that the
// submitters' turn cannot come while workers claim tasks without mu. A task's permit of the
// semaphore goes back when it has ended, and that takes mu.
func (s *Scheduler) bulkLocked() int {
	l := &s.shared.limiter
	if race.Hidden || s.shared.semaphore != nil {
		return 0
	}
	if !l.limited() {
		return segmentLen
	}
	if l.wakeAt == 1 {
		return 0
	}
	q := &s.shared.queue
	most := l.wakeAt - 1 - int64(q.takenUnclaimed())
	if !l.submitters.Empty() {
		most = min(most, int64(q.n-s.shared.posted)-(l.waiting-l.wakeAt)-1)
	}
	return int(min(most, segmentLen))
}

// A submitter is a goroutine that is blocked until there is room. It first yields, so that
// tasks run: that costs less than to park and be woken. While it yields it stands for a
// searching worker, and sees to it, when it is back, that there is one.
type submitter struct {
	task     Task
	set      *Set
	reserves bool // it wants a place, and does not leave its task
	patient  bool // it cannot give up
	state    submitterState
	parker   *park.Parker // nil while it yields, and while it looks whose task it runs
	runs     knowledge    // see deadlock.go, also for tasks
	tasks    int32
	place    list.Elem[*submitter]
}

type submitterState uint8

const (
	blocked    submitterState = iota
	admitted                  // the task was accepted
	hasPlace                  // a place is reserved
	started                   // the task is counted as running, in a race build; see startDirect
	refused                   // the scheduler was closed
	deadlocked                // it panics
)

var submitters = sync.Pool{New: func() any { return new(submitter) }}

func newSubmitter() *submitter {
	if race.Hidden { // the detector would see the pool order those that submit
		return &submitter{parker: park.Get(true)}
	}
	return submitters.Get().(*submitter)
}

func (b *submitter) free() {
	if race.Hidden {
		return
	}
	if b.parker != nil {
		b.parker.Free()
	}
	*b = submitter{}
	submitters.Put(b)
}

// admitLocked ends the wait of the submitters for whom there is room. They are woken
// once mu is free.
func (s *Scheduler) admitLocked(do *todo) {
	l := &s.shared.limiter
	if l.submitters.Empty() {
		return
	}
	room := s.roomLocked()
	if room+int64(s.shared.queue.takenUnclaimed()) < l.wakeAt { // those are claimed without mu
		if s.busy >= l.limit {
			s.stillFullLocked()
		}
		return
	}
	for ; room > 0 && !l.submitters.Empty(); room-- {
		b := l.submitters.Front().Value
		if b.reserves {
			l.reserved++
			s.dismissLocked(b, hasPlace, do)
			continue
		}
		if s.isDirectLocked() {
			s.directLocked(b.set, b.task)
			s.dismissLocked(b, started, do)
			continue
		}
		s.pushLocked(b.set, b.task, do)
		s.dismissLocked(b, admitted, do)
	}
	l.budget = 0
}

// blockLocked lists a submitter for which there is no room.
func (s *Scheduler) blockLocked(b *submitter) {
	l := &s.shared.limiter
	b.place.Value = b
	l.submitters.PushBack(&b.place)
	l.budget = 0
	if !race.Hidden {
		l.yielding++
	}
}

// dismissLocked ends the wait of a submitter.
func (s *Scheduler) dismissLocked(b *submitter, as submitterState, do *todo) {
	s.shared.limiter.submitters.Remove(&b.place)
	s.shared.alarm.unparkedLocked(b)
	b.state = as
	b.task = nil
	if b.parker != nil {
		do.wakes(b.parker)
		do.yield = true
	}
}

// await blocks until b is no longer blocked, or ctx, if it is not nil, ends; then it returns
// the cause.
func (s *Scheduler) await(ctx context.Context, b *submitter) (submitterState, error) {
	if race.Hidden { // it parks at once
		return s.parkSubmitter(ctx, b, race.Load(&b.parker))
	}
	runtime.Gosched()
	var do todo
	s.lock()
	s.shared.limiter.yielding--
	s.wakeLocked(1, &do)
	state := b.state
	var parker *park.Parker
	if state == blocked { // it parks
		parker = park.Get(ctx != nil && ctx.Done() != nil)
		b.parker = parker
		s.parkedLocked(b, doneOf(ctx) == nil)
	}
	s.unlock(&do)
	if state != blocked {
		return state, nil
	}
	return s.parkSubmitter(ctx, b, parker)
}

func (s *Scheduler) parkSubmitter(ctx context.Context, b *submitter, parker *park.Parker) (submitterState, error) {
	defer s.noteBlocked(ForRoom).end()
	if race.Hidden {
		s.locked(func(*todo) { s.parkedLocked(b, doneOf(ctx) == nil) })
	}
	if parker.Wait(doneOf(ctx)) {
		if race.Load(&parker.Result) == lookAgain {
			parker.Free()
			return s.answer(b), nil
		}
		return race.Load(&b.state), nil
	}
	state := get(s, func(do *todo) submitterState {
		if b.state == blocked {
			s.shared.limiter.submitters.Remove(&b.place)
			s.admitLocked(do)
		}
		return b.state
	})
	if state == blocked {
		return blocked, context.Cause(ctx)
	}
	parker.Wait(nil) // whoever has dismissed it is about to wake it
	return state, nil
}

func doneOf(ctx context.Context) <-chan struct{} {
	if ctx == nil {
		return nil
	}
	return ctx.Done()
}

// SetWorkers changes how many tasks may run at once. Tasks that run go on.
func (s *Scheduler) SetWorkers(n int) {
	s.locked(func(do *todo) {
		x := s.share()
		x.queue.revoke()
		x.limiter.setLimit(n)
		s.admitLocked(do)
		s.wakeLocked(math.MaxInt16, do)
		s.trimLocked(do)
	})
}

// Blocked returns the number of submitters that wait for room.
func (s *Scheduler) Blocked() int {
	return peek(s, func() int {
		if x := s.shared; x != nil {
			return x.limiter.submitters.Len()
		}
		return 0
	})
}
