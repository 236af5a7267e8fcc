package sched

import (
	"time"

	"github.com/coterie-go/coterie/core/internal/park"
)

// An owner with IdleAfter keeps workers that find no task, in a stack. One timer for all
// of them ends those that have been idle for long enough; it is set when a worker parks.
// While it is set, its processor's scheduler reads the clock whenever it switches
// goroutines. So a worker that is kept busy stops it.

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
	w.since = time.Now()
	w.busyStreak = 0
	w.below, x.idle = x.idle, w
	if x.timer == nil {
		x.timer = time.AfterFunc(idleAfter, s.expire)
	}
	return parkIdle
}

// busyLocked is called when the worker has found a task.
func (w *Worker) busyLocked() {
	x := w.s.shared
	if x.timer == nil || w.busyStreak > longStreak {
		return
	}
	if w.busyStreak++; w.busyStreak == longStreak && x.idle == nil {
		x.timer.Stop()
		x.timer = nil
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

// expire is called by the timer. It wakes the workers that have been idle for long enough,
// which then leave.
func (s *Scheduler) expire() {
	s.locked(func(do *todo) {
		x, idleAfter := s.shared, s.config().IdleAfter
		x.timer = nil
		next := time.Duration(-1)
		for at := &x.idle; *at != nil; {
			w := *at
			if left := idleAfter - time.Since(w.since); left > 0 {
				next = left // of the one that has been idle longest: the stack has it last
				at = &w.below
				continue
			}
			*at, w.below = w.below, nil
			w.expired = true
			do.wakes(w.parker)
		}
		if next > 0 {
			x.timer = time.AfterFunc(next, s.expire)
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
