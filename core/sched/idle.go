package sched

import (
	"time"

	"github.com/coterie-go/coterie/core/internal/park"
)

// This file holds the stack of idle workers of an owner with IdleAfter. One timer ends the workers
// that have been idle for IdleAfter. A worker sets the timer when it parks. The Go scheduler of its
// processor reads the clock at each switch of goroutines while a timer is set. So a busy worker
// stops the timer.
//
// A pool may be used in one testing/synctest bubble after another, and outside of bubbles, but not
// in two of these at once: a goroutine outside of a bubble must not stop a timer of the bubble or
// wake a worker in it. A bubble may end before its timer expires. So each timer serves one bubble.
// Only goroutines of that bubble stop it, and it wakes only workers that have parked there. A
// worker that parks in another bubble sets another timer.

// longStreak is how many tasks in a row a worker finds before it stops the timer.
const longStreak = 16

// restLocked makes a worker that has found no task idle, or counts it as gone and returns leave.
// surplus says that there are more workers than the limit allows to search.
func (w *Worker) restLocked(surplus bool) verdict {
	s, x := w.s, w.s.shared
	idleAfter := w.config.IdleAfter
	if idleAfter == 0 || w.expired || x.limiter.closed || surplus {
		w.goneLocked()
		return leave
	}
	if w.parker == nil {
		w.parker = park.Get(false)
	}
	w.since, w.bubble = time.Now(), 0
	if IsFake(w.since) {
		w.bubble = Bubble()
	}
	w.busyStreak = 0
	w.below, x.idle = x.idle, w
	if x.timer == nil || x.bubble != w.bubble {
		s.setTimerLocked(idleAfter, w.bubble)
	}
	return parkIdle
}

// setTimerLocked sets the timer for the idle workers of a bubble. The caller is in that bubble.
func (s *Scheduler) setTimerLocked(after time.Duration, bubble uint64) {
	x := s.shared
	x.timer, x.bubble = time.AfterFunc(after, func() { s.expire(bubble) }), bubble
}

// stopTimerLocked stops the timer, unless it belongs to a bubble in which the caller is not.
func (x *shared) stopTimerLocked() {
	if x.timer != nil && (x.bubble == 0 || x.bubble == Bubble()) {
		x.timer.Stop()
		x.timer = nil
	}
}

// busyLocked counts that the worker has found a task while the timer is set. It stops the timer
// after longStreak tasks in a row, if no worker is idle.
func (w *Worker) busyLocked() {
	x := w.s.shared
	if w.busyStreak > longStreak {
		return
	}
	if w.busyStreak++; w.busyStreak == longStreak && x.idle == nil {
		x.stopTimerLocked()
	}
}

// expireIdleLocked wakes the worker that parked last. That worker leaves, unless it finds a task.
func (s *Scheduler) expireIdleLocked() {
	s.shared.idle.expired = true
	s.wakeIdleLocked()
}

// trimLocked expires idle workers while there are more workers than the limit allows.
func (s *Scheduler) trimLocked() {
	x := s.shared
	for n := x.workers - int(x.limiter.mostWorkers); n > 0 && x.idle != nil; n-- {
		s.expireIdleLocked()
	}
}

// expire is called by the timer of a bubble; 0 is none. It wakes the workers that have been idle
// there for IdleAfter, and these leave.
func (s *Scheduler) expire(bubble uint64) {
	s.locked(func() {
		x, idleAfter := s.shared, s.config().IdleAfter
		if x.bubble == bubble {
			x.timer = nil
		}
		next := time.Duration(-1)
		for at := &x.idle; *at != nil; {
			w := *at
			if w.bubble != bubble {
				at = &w.below
				continue
			}
			if left := idleAfter - time.Since(w.since); left > 0 {
				next = left // the loop ends with the worker that has been idle longest, at the bottom of the stack
				at = &w.below
				continue
			}
			*at, w.below = w.below, nil
			w.expired = true
			s.wakeParkerLocked(w.parker)
		}
		if next > 0 && (x.timer == nil || x.bubble != bubble) {
			s.setTimerLocked(next, bubble)
		}
	})
}

// goneLocked counts a worker as gone. It releases the waiters for the end of all workers if the
// worker was the last.
func (w *Worker) goneLocked() {
	x := w.s.shared
	w.unlistLocked()
	x.workers--
	if x.workers == 0 {
		w.s.releaseLocked(&x.gone, nil)
	}
}

// unlistLocked takes the worker off shared.all.
func (w *Worker) unlistLocked() {
	if w.config.IdleAfter > 0 && w.link.Listed() {
		w.s.shared.all.Remove(&w.link)
	}
}
