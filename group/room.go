package group

import (
	"math"

	"github.com/coterie-go/coterie/core"
)

// A room says how many further tasks an engine may accept, and holds those who wait
// for it in the order in which they came. The engine's mu guards it.
//
// Who waits leaves the task with the engine. When a task ends, a goroutine of the
// engine puts the next one into the queue itself, and need not wait for a submitter
// to wake up first. It does so once the queue is empty: whoever is woken then finds
// as much room as there can be. Whenever mu is free,
//
//	there is no room, or nobody waits, or the queue is not empty;
//
// and a queue that is not empty is emptied without anybody's help.
type room[T Job] struct {
	shared *core.Semaphore // of Options; nil if there is none

	limit    core.Guarded[int] // on accepted tasks that have not ended, and reserved places
	reserved core.Guarded[int] // places of tasks that still lack a permit of shared
	expected core.Guarded[int] // submitters whose wait is over and who have not noticed

	first, last core.Guarded[*submitter[T]] // who wait

	// To be used again, linked by next; not in a -race build that hides bookkeeping.
	idle  *submitter[T]
	idles uint8
}

// noLimit is a limit that is not reached.
const noLimit = math.MaxInt

// limited reports whether there is any limit.
func (r *room[T]) limited() bool { return r.limit.Load() != noLimit || r.shared != nil }

// fits reports whether a further task may be accepted when so many are running: the
// next one in turn, or one who comes. SetLimit may have taken back what was reserved.
func (r *room[T]) fits(running int, itsTurn bool) bool {
	return running+r.reserved.Load() < r.limit.Load() && (itsTurn || r.first.Load() == nil)
}

// enter makes somebody wait.
func (r *room[T]) enter(e *Engine[T], en entry[T], patient bool) *submitter[T] {
	s := r.idle
	if s == nil {
		s = new(submitter[T])
		s.cond.L = (*parkLocker[T])(e)
	} else {
		r.idle = s.next.Load()
		r.idles--
		s.next.Store(nil)
	}
	s.task.Store(en)
	s.patient.Store(patient)
	s.state.Store(waiting)
	last := r.last.Load()
	if s.prev.Store(last); last == nil {
		r.first.Store(s)
	} else {
		last.next.Store(s)
	}
	r.last.Store(s)
	return s
}

// remove ends a submitter's wait.
func (r *room[T]) remove(s *submitter[T]) {
	prev, next := s.prev.Load(), s.next.Load()
	if prev == nil {
		r.first.Store(next)
	} else {
		prev.next.Store(next)
	}
	if next == nil {
		r.last.Store(prev)
	} else {
		next.prev.Store(prev)
	}
	s.prev.Store(nil)
	s.next.Store(nil)
}

// expects reports whether somebody is about to go on who may start further tasks.
func (r *room[T]) expects() bool { return !core.RaceHidden && r.expected.Load() > 0 }

// keptSubmitters is how many submitters a room keeps that nobody uses.
const keptSubmitters = 64

// free keeps a submitter, who waits no longer, for the next one.
func (r *room[T]) free(s *submitter[T]) {
	if core.RaceHidden || r.idles == keptSubmitters {
		return
	}
	s.task.Store(entry[T]{})
	s.ready.Store(nil)
	s.next.Store(r.idle)
	r.idle = s
	r.idles++
}
