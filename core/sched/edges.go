package sched

import "github.com/coterie-go/coterie/core/race"

// This file makes the edges between tasks in race builds: from each task to the next, in an owner
// that runs one task at a time, and for a key whose perKey is 1.

// isOrdered reports whether one task runs at a time.
func (s *Scheduler) isOrdered() bool {
	x := race.Load(&s.shared)
	return x != nil && race.Load(&x.limiter.limit) == 1
}

// acquireOrder is called by the goroutine of the task when the task begins.
func (w *Worker) acquireOrder() {
	if !race.Hidden {
		return
	}
	if w.ordered {
		w.s.order.Acquire()
	}
	if q := w.set.queueOfKey(); q != nil && race.Load(&race.Load(&q.keys).perKey) == 1 {
		q.order.Acquire()
	}
}

// releaseOrder is called by the goroutine of the task when the task ends. The limit may have become
// 1 meanwhile. Then the next task begins after this one.
func (w *Worker) releaseOrder() {
	if !race.Hidden {
		return
	}
	if w.s.isOrdered() {
		w.s.order.Release()
	}
	if q := w.set.queueOfKey(); q != nil {
		q.order.Release()
		race.Load(&q.keys).ended.Release()
	}
}
