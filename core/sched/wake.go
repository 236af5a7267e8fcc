package sched

import "github.com/coterie-go/coterie/core/race"

// This file gets workers for accepted tasks. A task joins the run queue, and a worker is
// woken or started if too few workers search. This keeps the invariant of the package comment.

// queueLocked adds a task to the run queue, also if its key is busy.
func (s *Scheduler) queueLocked(set *Set, t Task) {
	if s.isDirectLocked() {
		d := s.directLocked(set, t)
		s.shared.todo.start = &d
		return
	}
	x := s.share()
	x.queue.push(t, set)
	x.accepted++
	set.lendOneLocked()
	s.wakeUnlessYieldingLocked(x.limiter.searchers)
}

// setQueuedLocked records that a task, whose submitter was blocked until now, is queued now.
func (s *Scheduler) setQueuedLocked(t Task) {
	if s.config().entry == nil {
		return
	}
	if at := queuedAt(t); at != nil {
		*at = now()
	}
}

// wakeUnlessYieldingLocked is wakeLocked, unless a submitter yields: that submitter calls
// wakeLocked when it returns.
func (s *Scheduler) wakeUnlessYieldingLocked(want int16) {
	x := s.shared
	if (x.limiter.yielding == 0 || s.busy == 0) && (x.queue.n > 0 || !x.queue.taken.Empty()) {
		s.wakeLocked(want)
	}
}

// wakeLocked makes up to want workers search while tasks are unclaimed. It counts them as
// searching; unlock wakes or starts them.
func (s *Scheduler) wakeLocked(want int16) {
	x := s.shared
	if x.searching >= want || s.fullLocked() {
		return
	}
	want = int16(min(s.unclaimedLocked(), int(want)))
	for x.searching < want && !s.fullLocked() {
		x.searching++
		if x.idle != nil {
			s.wakeIdleLocked()
		} else {
			x.workers++
			x.todo.spawn++
		}
	}
}

// wakeIdleLocked wakes the worker that parked last. The caller counts it as searching, or has set
// expired.
func (s *Scheduler) wakeIdleLocked() {
	w := s.shared.idle
	s.shared.idle, w.below = w.below, nil
	s.wakeParkerLocked(w.parker)
}

// fullLocked reports whether the number of workers has reached its limit.
func (s *Scheduler) fullLocked() bool {
	return s.busy+int32(s.shared.searching) >= s.shared.limiter.mostWorkers
}

// isDirectLocked reports whether submitters start their tasks themselves.
func (s *Scheduler) isDirectLocked() bool { return race.Hidden && s.share().limiter.mayWait == 0 }

// directLocked counts a direct task as running.
func (s *Scheduler) directLocked(set *Set, t Task) direct {
	s.busy++
	if set != nil {
		set.busy++
	}
	s.shared.accepted++
	return direct{t, set, s.shared.limiter.limit == 1}
}
