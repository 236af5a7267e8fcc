package sched

import (
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the records of tasks with a name. A record is made with its task, and listed
// while the task runs. The links are part of the record, so the list allocates nothing else.

// recordOf returns the record of a task, or nil if it has none.
func recordOf(t Task) *record {
	if t, ok := bare(t).(interface{ recorded() *record }); ok {
		return t.recorded()
	}
	return nil
}

func (c *Context) recorded() *record { return c.record }

// queuedAt returns the field that holds when a task was queued, or nil if the task has no record.
func queuedAt(t Task) *moment {
	if r := recordOf(t); r != nil {
		return &r.queued
	}
	return nil
}

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

// withTask returns p with the path of the task that panicked. It returns p itself if p has a path,
// or the task has none. p and r may be nil.
func (r *record) withTask(p *core.PanicError) *core.PanicError {
	if p == nil || p.Task != "" || r == nil {
		return p
	}
	named := *p
	named.Task = r.path
	return &named
}
