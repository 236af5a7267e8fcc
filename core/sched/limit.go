package sched

import (
	"context"
	"math"
	"runtime"
	"sync"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds what happens when the limit is reached: there is no room, and submitters are
// blocked. They stand in a list, in the order in which they came. A blocked submitter parks its
// task in the list. The worker that makes room moves the task into the run queue, so the task does
// not wait until its submitter runs. Whenever mu is free,
//
//	no submitter is blocked, or there is less room than wakeAt.

// Blocked returns the number of submitters that wait for room.
func (s *Scheduler) Blocked() int {
	return inLock(s, func() int {
		if x := s.shared; x != nil {
			return x.limiter.submitters.Len()
		}
		return 0
	})
}

// SetWorkers changes how many tasks may run at once. Tasks that already run are not affected.
func (s *Scheduler) SetWorkers(n int) {
	s.locked(func() {
		x := s.share()
		x.queue.revoke()
		x.limiter.setLimit(n)
		s.admitLocked()
		s.wakeLocked(math.MaxInt16)
		s.trimLocked()
	})
}

var submitters = sync.Pool{New: func() any { return new(submitter) }}

func newSubmitter() *submitter {
	if race.Hidden { // the detector would see the pool order submitters
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

// blockLocked lists a submitter for which there is no room.
func (s *Scheduler) blockLocked(b *submitter) {
	l := &s.shared.limiter
	b.link.Value = b
	l.submitters.PushBack(&b.link)
	if !race.Hidden {
		l.yielding++
	}
}

// await blocks until b is no longer blocked. It returns the cause if ctx, which may be nil, ends
// first.
func (s *Scheduler) await(ctx context.Context, b *submitter) (submitterState, error) {
	if race.Hidden { // the submitter parks without a yield
		return s.parkSubmitter(ctx, b, race.Load(&b.parker))
	}
	runtime.Gosched()
	s.lock()
	s.shared.limiter.yielding--
	s.wakeLocked(1)
	state := b.state
	var parker *park.Parker
	if state == blocked {
		parker = park.Get(ctx != nil && ctx.Done() != nil)
		b.parker = parker
		s.parkedLocked(b, doneOf(ctx) == nil)
	} else {
		s.shared.alarm.calmLocked()
	}
	s.unlock()
	if state != blocked {
		return state, nil
	}
	return s.parkSubmitter(ctx, b, parker)
}

func (s *Scheduler) parkSubmitter(ctx context.Context, b *submitter, parker *park.Parker) (submitterState, error) {
	defer s.noteBlocked(ForRoom).end()
	if race.Hidden {
		s.locked(func() { s.parkedLocked(b, doneOf(ctx) == nil) })
	}
	if parker.Wait(doneOf(ctx)) {
		if race.Load(&parker.Result) == lookAgain {
			parker.Free()
			return s.answer(b)
		}
		return race.Load(&b.state), nil
	}
	state := inLock(s, func() submitterState {
		if b.state == blocked {
			s.shared.limiter.submitters.Remove(&b.link)
			s.admitLocked()
		}
		return b.state
	})
	if state == blocked {
		return blocked, context.Cause(ctx)
	}
	parker.Wait(nil) // the goroutine that dismissed b is about to wake it
	return state, nil
}

// acquirePatiently takes a permit for a submitter with a reserved place that cannot give up. It
// blocks until there is one. In a deadlock it gives up the place and returns an error. An acquirer
// that is asked goes to the end of the semaphore's queue.
func (s *Scheduler) acquirePatiently(sem *core.Semaphore) error {
	b := newSubmitter()
	defer b.free()
	stop := make(chan struct{})
	s.locked(func() {
		b.stop, b.link.Value = stop, b
		s.shared.limiter.acquirers.PushBack(&b.link)
		s.parkedLocked(b, true)
	})
	err := sem.Acquire(interrupt(stop), 1)
	if err == errInterrupted && race.Load(&b.state) == blocked {
		again := make(chan struct{})
		s.answerWith(b, func() { b.stop = again })
		err = sem.Acquire(interrupt(again), 1)
	}
	s.locked(func() {
		s.shared.limiter.acquirers.Remove(&b.link)
		s.shared.alarm.unparkedLocked(b)
		if b.runs == asked {
			s.answeredLocked()
		}
	})
	if err != nil {
		s.unreserve()
		return s.deadlock(race.Load(&b.tasks))
	}
	return nil
}

// admitLocked ends the wait of the submitters for which there is room. unlock wakes them.
func (s *Scheduler) admitLocked() {
	l := &s.shared.limiter
	if l.submitters.Empty() {
		return
	}
	q := &s.shared.queue
	room := s.roomLocked()
	if room < l.wakeAt && (q.taken.Empty() || room+int64(q.takenUnclaimed()) < l.wakeAt) { // workers claim those without mu
		s.checkAlarmLocked()
		return
	}
	s.admitRoomLocked(room)
}

// admitRoomLocked ends the wait of as many submitters as there is room for.
func (s *Scheduler) admitRoomLocked(room int64) {
	l := &s.shared.limiter
	for room > 0 && !l.submitters.Empty() {
		b := l.submitters.Front().Value
		room--
		if b.reserves {
			l.reserved++
			s.dismissLocked(b, hasPlace)
			continue
		}
		if s.isDirectLocked() {
			s.directLocked(b.set, b.task)
			s.dismissLocked(b, started)
			continue
		}
		s.setQueuedLocked(b.task)
		if !s.pushLocked(b.set, b.task) {
			room++ // the key of the task is busy
		}
		s.dismissLocked(b, admitted)
	}
	l.budget = 0
}

// dismissLocked ends the wait of a submitter, in the given state.
func (s *Scheduler) dismissLocked(b *submitter, as submitterState) {
	s.shared.limiter.submitters.Remove(&b.link)
	s.shared.alarm.unparkedLocked(b)
	b.state = as
	b.task = nil
	if b.parker != nil {
		s.wakeParkerLocked(b.parker)
		s.shared.todo.submitters = true
	}
}

// releasePermit releases a permit. It is hidden from the race detector, because owners do not
// promise that a permit orders two tasks.
func releasePermit(sem *core.Semaphore) {
	race.Disable()
	sem.Release(1)
	race.Enable()
}

// unreserve gives up a reserved place.
func (s *Scheduler) unreserve() {
	s.locked(func() {
		s.shared.limiter.reserved--
		s.admitLocked()
	})
}
