package sched

import (
	"time"

	"github.com/coterie-go/coterie/core/internal/park"
)

// An owner with IdleAfter keeps workers that find no task, in a stack. One timer for all
// of them ends those that have been idle for long enough; it is set when a worker parks.
// While it is set, its processor's scheduler reads the clock whenever it switches
// goroutines. So a worker that is kept busy stops it.
//
// A pool may be used in one testing/synctest bubble after another, and outside of them, though not
// in two places at once: the runtime lets nobody else stop a timer of a bubble, or wake a worker that
// has parked there. A timer may outlive its bubble without expiring. So it counts only in its own bubble: it
// is stopped there, it wakes the workers that have parked there, and where a worker parks elsewhere, another
// is set.

// longStreak is how often a worker has found a task when it stops the timer.
const longStreak = 16

// restLocked makes a worker that has found no task idle, or has it leave.
func (w *Worker) restLocked(surplus bool, do *todo) verdict {
	s, x := w.s, w.s.shared
	idleAfter := w.config.IdleAfter
	if idleAfter == 0 || w.expired || x.limiter.closed || surplus && x.workers > int(x.limiter.workers) {
		w.goneLocked(do)
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

// setTimerLocked sets the timer of the idle workers of a bubble, which is the caller's.
func (s *Scheduler) setTimerLocked(after time.Duration, bubble uint64) {
	x := s.shared
	x.timer, x.bubble = time.AfterFunc(after, func() { s.expire(bubble) }), bubble
}

// stopTimerLocked stops the timer, unless it belongs to a bubble that is not the caller's.
func (x *shared) stopTimerLocked() {
	if x.timer != nil && (x.bubble == 0 || x.bubble == Bubble()) {
		x.timer.Stop()
		x.timer = nil
	}
}

// busyLocked is called when the worker has found a task.
func (w *Worker) busyLocked() {
	x := w.s.shared
	if x.timer == nil || w.busyStreak > longStreak {
		return
	}
	if w.busyStreak++; w.busyStreak == longStreak && x.idle == nil {
		x.stopTimerLocked()
	}
}

// wakeIdleLocked wakes the worker that parked last, which is counted in searching.
func (s *Scheduler) wakeIdleLocked(do *todo) {
	w := s.shared.idle
	s.shared.idle, w.below = w.below, nil
	do.wakes(w.parker)
}

// dismissIdleLocked wakes the worker that parked last, which leaves unless it finds a task.
func (s *Scheduler) dismissIdleLocked(do *todo) {
	s.shared.idle.expired = true
	s.wakeIdleLocked(do)
}

// trimLocked wakes the idle workers that are too many.
func (s *Scheduler) trimLocked(do *todo) {
	x := s.shared
	for n := x.workers - int(x.limiter.workers); n > 0 && x.idle != nil; n-- {
		s.dismissIdleLocked(do)
	}
}

// expire is called by the timer of a bubble, 0 for none. It wakes the workers there that have been idle for long
// enough, which then leave.
func (s *Scheduler) expire(bubble uint64) {
	s.locked(func(do *todo) {
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
				next = left // of the one that has been idle longest: the stack has it last
				at = &w.below
				continue
			}
			*at, w.below = w.below, nil
			w.expired = true
			do.wakes(w.parker)
		}
		if next > 0 && (x.timer == nil || x.bubble != bubble) {
			s.setTimerLocked(next, bubble)
		}
	})
}

// goneLocked is called when a worker is about to leave.
func (w *Worker) goneLocked(do *todo) {
	x := w.s.shared
	w.unlistLocked()
	x.workers--
	if x.workers == 0 {
		release(&x.gone, nil, do)
	}
}

// unlistLocked takes the worker off the list of all.
func (w *Worker) unlistLocked() {
	if w.place.Listed() {
		w.s.shared.all.Remove(&w.place)
	}
}
