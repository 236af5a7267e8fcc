package sched

import (
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/quote"
	"github.com/coterie-go/coterie/core/race"
)

// This file counts tasks, and reports those that had not ended when a wait gave up.

// Stuck returns a report of the tasks that run. cause is why a waiter gave up. It first waits for
// workers that have not yet counted tasks that have ended. It stops the world to read stacks if
// there are named tasks.
func (s *Scheduler) Stuck(cause error) *core.StuckError {
	s.settle(s.emptyLocked)
	type seen struct {
		running, queued int
		tasks           []core.Task
		goroutines      []uint64 // of the tasks
	}
	v := inLock(s, func() seen {
		c := s.countsLocked()
		v := seen{running: c.Busy + c.Lent, queued: c.Queued}
		if x := s.shared; x != nil {
			v.running += x.backgrounds.n
			for e := x.lines.Front(); e != nil; e = e.Next() {
				v.queued += e.Value.waits
			}
			for e := x.named.Front(); e != nil; e = e.Next() {
				r := e.Value
				v.tasks = append(v.tasks, core.Task{Name: r.path, Started: r.started.time()})
				v.goroutines = append(v.goroutines, r.goroutine)
			}
		}
		return v
	})
	tasks, goroutines := race.Copy(v.tasks), race.Copy(v.goroutines)
	stacks := Stacks(goroutines)
	for i := range tasks {
		tasks[i].Stack = stacks[goroutines[i]]
	}
	config := s.config()
	return &core.StuckError{
		Kind: config.Kind, Owner: config.names.path, Running: v.running, Queued: v.queued,
		Tasks: tasks, Time: time.Now(), Cause: cause,
	}
}

// Running returns the number of tasks that were accepted and have not ended.
func (s *Scheduler) Running() int {
	c := s.Counts()
	return c.Busy + c.Lent + c.Queued
}

// Quote returns name, in quotes if it has characters that are not printable.
func Quote(name string) string { return quote.Unprintable(name) }

// Counts holds a scheduler's numbers at one instant.
type Counts struct {
	Workers, Busy, Lent, Queued            int
	Accepted, Completed, Panicked, Dropped uint64
}

// Counts returns the scheduler's numbers.
func (s *Scheduler) Counts() Counts {
	return inLock(s, s.countsLocked)
}

func (s *Scheduler) countsLocked() Counts {
	c := Counts{Busy: int(s.busy), Queued: s.unclaimedLocked()}
	helping := 0
	if x := s.shared; x != nil {
		c.Workers, c.Lent, c.Queued = x.workers, int(x.lent), c.Queued-x.void
		c.Accepted, c.Panicked, c.Dropped = x.accepted-x.helpers, x.panicked, x.dropped
		helping = x.helping
	} else {
		c.Accepted = uint64(s.busy)
	}
	if c.Queued < 0 { // workers have claimed entries that do nothing, and count as busy
		c.Busy, c.Queued = c.Busy+c.Queued, 0
	}
	c.Completed = c.Accepted - c.Dropped - uint64(c.Queued+c.Busy+c.Lent-helping)
	return c
}

// Stuck returns a report of how many tasks of the set have not ended. cause is why a waiter gave
// up. It first waits for workers that have not yet counted tasks that have ended.
func (set *Set) Stuck(cause error) *core.StuckError {
	s := set.scheduler()
	s.settle(set.emptyLocked)
	e := inLock(s, func() core.StuckError {
		e := core.StuckError{Kind: "batch", Running: set.busy, Queued: s.shared.queue.unclaimedOf(set)}
		if set.key != nil {
			e.Kind, e.Queued = "key", e.Queued+set.key.waits
		}
		return e
	})
	config := s.config()
	e.Kind, e.Owner, e.Time, e.Cause = e.Kind+" of "+config.Kind, config.names.path, time.Now(), cause
	return &e
}
