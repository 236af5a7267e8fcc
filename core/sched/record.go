package sched

import (
	"context"
	"iter"
	"runtime/trace"
	"time"

	"github.com/coterie-go/coterie/core/race"
)

// This file holds the list of the named tasks that run. A record is in the list only while its task
// runs. The links are part of the record, so the list allocates nothing else.

// A pathed is a task with a name: a *Named or a *Context.
type pathed interface {
	queueable
	taskPath() string
	taskContext() context.Context // nil for a task without one
}

// A queueable is a task that records when it was queued. The scheduler's mu guards the record after
// the task has been submitted.
type queueable interface {
	queue(at moment)
	queuedSince() moment
}

// A record describes a named task that runs, or that observers see.
type record struct {
	task      pathed
	started   moment
	goroutine uint64
	number    race.Uint64 // of the task in events and snapshots; 0 until the first call of id
	watch     *watch      // nil, unless observers see the task or it is a region of an execution trace

	next, prev *record // in namedTasks; nil if not listed; guarded by the scheduler's mu
}

// A moment is a point in time: nanoseconds since the program began, or, on the clock of a
// testing/synctest bubble, Unix nanoseconds. It takes a third of the memory of a time.Time. 0 means
// no time.
type moment int64

// fakeMoments is less than all moments of bubbles, whose clocks begin with the year 2000, and more
// than all others: it is 18 years.
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

// id returns the number of the task. The first call gives the task its number.
func (r *record) id() uint64 {
	if n := r.number.Load(); n != 0 {
		return n
	}
	r.number.CompareAndSwap(0, numbers.Add(1))
	return r.number.Load()
}

// numbers is the last number that a task has been given.
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

// A watch describes a task that observers see, or that is a region of an execution trace.
type watch struct {
	watchers []*watcher // those in use when the task was started
	event    Event
	queued   time.Time
	began    time.Time
	region   *trace.Region
	returned bool
}

// watched is what a worker records of its task for observers.
type watched struct {
	err   error  // the error that the task is about to return
	ended *watch // of a task that has panicked or called Goexit, until watchAborted
}
