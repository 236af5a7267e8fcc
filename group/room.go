package group

import (
	"math"
	"time"

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
//	there is no room, or nobody waits, or there is a limit and the queue is not empty;
//
// and such a queue is emptied without anybody's help, because while somebody waits
// nothing new is put into it.
type room[T Job] struct {
	shared *core.Semaphore // of Options; nil if there is none

	limit    core.Guarded[int] // on accepted tasks that have not ended, and reserved places
	reserved core.Guarded[int] // places of tasks that still lack a permit of shared
	expected core.Guarded[int] // submitters whose wait is over and who have not noticed

	first, last core.Guarded[*submitter[T]] // who wait

	// In a -race build that hides bookkeeping these are not written.
	yielding int32         // submitters; see Engine
	idle     *submitter[T] // to be used again, linked by next
	idles    uint8
	untimed  uint8 // how many tasks come before the one that is timed next
	slow     bool  // tasks are measured to be slow
}

// noLimit is a limit that is not reached.
const noLimit = math.MaxInt

// limited reports whether there is any limit.
func (r *room[T]) limited() bool { return r.limit.Load() != noLimit || r.shared != nil }

// spread reports whether it is worth while to have short tasks run on all Ps.
func (r *room[T]) spread() bool { return r.slow || !r.limited() }

// fits reports whether a further task may be accepted when so many are running: the
// next one in turn, or one who comes. SetLimit may have taken back what was reserved.
func (r *room[T]) fits(running int, itsTurn bool) bool {
	return running+r.reserved.Load() < r.limit.Load() && (itsTurn || r.first.Load() == nil)
}

// admits reports whether it is time for letIn: somebody waits, and the queue is empty,
// which holds so many tasks.
func (r *room[T]) admits(queued uint32) bool { return queued == 0 && r.first.Load() != nil }

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

const (
	// sampled is how many tasks there are to one of which the time is taken.
	sampled = 64
	// slowTask is from when on it pays to have tasks run on all Ps, and to keep
	// those awake for the next: a few times what a yield costs.
	slowTask = 500 * time.Nanosecond
	// turns and slowTurns are how often a goroutine yields, at most, for a
	// submitter to go on. Where tasks are slow that is some 10 µs: the processor
	// would fall asleep otherwise, and to wake it takes several times that.
	turns     = 2
	slowTurns = 200
)

// measure is called when a goroutine comes for a task, and now and then takes the
// time that it was away. ended says that it has run a task in between.
func (r *room[T]) measure(t *timer, ended bool) {
	if r.untimed > 0 && !t.runs {
		r.untimed--
		return
	}
	r.measureSlow(t, ended)
}

func (r *room[T]) measureSlow(t *timer, ended bool) {
	switch {
	case core.RaceHidden || r.limit.Load() == noLimit:
	case t.runs:
		if ended {
			r.slow = time.Since(t.began) > slowTask
		}
		t.runs = false
	default:
		r.untimed = sampled
		*t = timer{began: time.Now(), runs: true}
	}
}

// turns returns how often a goroutine yields, at most, for somebody who is about to
// go on and may start further tasks.
func (r *room[T]) turns() int {
	switch {
	case core.RaceHidden || r.expected.Load() == 0:
		return 0
	case r.slow:
		return slowTurns
	}
	return turns
}
