package sched

import "github.com/coterie-go/coterie/core/race"

// This file makes the edges between tasks in race builds: from each task to the next, in an owner that
// runs one task at a time, and for a key whose perKey is 1.

// edgesOf returns the edges of a task of the set that is about to begin.
func (s *Scheduler) edgesOf(set *Set) edges {
	e := set.keyEdges()
	if s.isOrdered() {
		e.owner = &s.order
	}
	return e
}

// keyEdges returns the edges that a task of the set has because of its key.
func (set *Set) keyEdges() (e edges) {
	if set == nil {
		return e
	}
	q := race.Load(&set.key)
	if q == nil {
		return e
	}
	k := race.Load(&q.keys)
	if race.Load(&k.perKey) == 1 {
		e.key = &q.order
	}
	e.all = &k.ended
	return e
}

// isOrdered reports whether one task runs at a time.
func (s *Scheduler) isOrdered() bool {
	x := race.Load(&s.shared)
	return x != nil && race.Load(&x.limiter.limit) == 1
}

// acquire is called by the goroutine of the task when the task begins.
func (e edges) acquire() {
	if e.owner != nil {
		e.owner.Acquire()
	}
	if e.key != nil {
		e.key.Acquire()
	}
}

// release is called by the goroutine of the task when the task ends. The limit may have become 1
// meanwhile. Then the next task begins after this one.
func (e edges) release(s *Scheduler) {
	if s.isOrdered() {
		s.order.Release()
	}
	if e.key != nil {
		e.key.Release()
	}
	if e.all != nil {
		e.all.Release()
	}
}
