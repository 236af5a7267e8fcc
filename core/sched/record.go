package sched

import (
	"context"
	"iter"
	"time"

	"github.com/coterie-go/coterie/core/race"
)

// This file holds the list of the named tasks that run. It is all that is kept of them, and
// only while they run: no place in it is allocated beside the record.

// A pathed task has a name: it is a *Named or a *Context.
type pathed interface {
	queueable
	taskPath() string
	taskContext() context.Context // nil for a task without one
}

// A queueable task knows since when it is queued. The scheduler's mu guards that, once the task
// has been given to it.
type queueable interface {
	queue(at moment)
	queuedSince() moment
}

// A record is a named task that runs.
type record struct {
	task      pathed
	started   moment
	goroutine uint64
	number    race.Uint64 // that by which events and snapshots call it; 0 until somebody asks
	watch     *watch      // nil unless observers see the task, or it is a region of a trace

	next, prev *record // in namedTasks; nil if it is in none. Guarded by the scheduler's mu
}

// A moment is a point in time: nanoseconds since the program began, or, on the clock of a
// testing/synctest bubble, Unix nanoseconds. It is a third of a time.Time. 0 is none.
type moment int64

// fakeMoments are those of bubbles, whose clocks begin with the year 2000. No program runs for
// 18 years.
const fakeMoments moment = 1 << 59

func now() moment {
	if m := moment(time.Since(began)); 0 < m && m < fakeMoments {
		return m
	}
	return moment(time.Now().UnixNano())
}

func (m moment) time() time.Time {
	switch {
	case m == 0:
		return time.Time{}
	case m < fakeMoments:
		return began.Add(time.Duration(m))
	}
	return time.Unix(0, int64(m))
}

// id returns the number of the task, which it gets at the first call.
func (r *record) id() uint64 {
	if n := r.number.Load(); n != 0 {
		return n
	}
	r.number.CompareAndSwap(0, numbers.Add(1))
	return r.number.Load()
}

// numbers is the last number that was given to a task.
var numbers race.Uint64

// namedTasks lists records in the order in which their tasks began. The scheduler's mu
// guards it.
type namedTasks struct{ first *record } // a ring

func (l *namedTasks) add(r *record) {
	if l.first == nil {
		l.first, r.next, r.prev = r, r, r
		return
	}
	r.next, r.prev = l.first, l.first.prev
	r.prev.next, r.next.prev = r, r
}

func (l *namedTasks) remove(r *record) {
	switch {
	case r.next == r:
		l.first = nil
	case l.first == r:
		l.first = r.next
	}
	r.prev.next, r.next.prev = r.next, r.prev
	r.next, r.prev = nil, nil
}

func (l *namedTasks) all() iter.Seq[*record] {
	return func(yield func(*record) bool) {
		for r := l.first; r != nil && yield(r); {
			if r = r.next; r == l.first {
				return
			}
		}
	}
}
