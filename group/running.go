package group

import (
	"runtime/pprof"
	"time"

	"github.com/coterie-go/coterie/core"
)

// A running is the record of a named task that runs, in the engine's list of
// them, which the engine's mu guards.
type running struct {
	record     core.Guarded[TaskRecord]
	prev, next core.Guarded[*running]
}

// enter labels the goroutine and lists the task. r is the record of the task that
// the goroutine ran before, to be used again, or nil.
func (e *Engine[T]) enter(m *meta, r *running) *running {
	if m.labels != nil {
		pprof.SetGoroutineLabels(m.labels)
	}
	if m.context != nil {
		m.context.setRunning(true)
	}
	rec := TaskRecord{Name: m.path, Started: time.Now()}
	if r == nil {
		r = new(running)
		rec.Goroutine = GoroutineID()
	} else {
		rec.Goroutine = r.record.Load().Goroutine
	}
	core.RaceDisable()
	e.lock()
	list := &e.crowdLocked().extrasLocked().running
	first := list.Load()
	r.record.Store(rec)
	r.prev.Store(nil)
	r.next.Store(first)
	if first != nil {
		first.prev.Store(r)
	}
	list.Store(r)
	e.mu.Unlock()
	core.RaceEnable()
	return r
}

// leave takes the task off the list.
func (e *Engine[T]) leave(m *meta, r *running) {
	if m.context != nil {
		m.context.setRunning(false)
	}
	core.RaceDisable()
	e.lock()
	prev, next := r.prev.Load(), r.next.Load()
	if prev != nil {
		prev.next.Store(next)
	} else {
		e.extras().running.Store(next)
	}
	if next != nil {
		next.prev.Store(prev)
	}
	e.mu.Unlock()
	core.RaceEnable()
}

// records returns the number of tasks and the records of the named ones that run.
func (e *Engine[T]) records() (running int, all []TaskRecord) {
	core.RaceDisable()
	defer core.RaceEnable()
	e.lock()
	defer e.mu.Unlock()
	if x := e.extras(); x != nil {
		for r := x.running.Load(); r != nil; r = r.next.Load() {
			if rec := r.record.Load(); rec.Name != "" {
				all = append(all, rec)
			}
		}
	}
	return e.runningLocked(), all
}
