package group

import (
	"runtime/pprof"
	"time"

	"github.com/coterie-go/coterie/core"
)

// A running is the record of a named task that runs, in the engine's list of
// them, which the engine's mu guards.
type running struct {
	record     core.Guarded[record]
	prev, next core.Guarded[*running]
}

type record struct {
	path      string
	started   time.Time
	goroutine uint64
}

// enter labels the goroutine and lists the task. r is the record of the task that
// the goroutine ran before, to be used again, or nil.
func (e *Engine[T]) enter(m *meta, r *running) *running {
	if m.labels != nil {
		pprof.SetGoroutineLabels(m.labels)
	}
	if m.context != nil {
		m.context.running.Store(true)
	}
	rec := record{path: m.path, started: time.Now()}
	if r == nil {
		r = new(running)
		rec.goroutine = goroutineID()
	} else {
		rec.goroutine = r.record.Load().goroutine
	}
	core.RaceDisable()
	e.mu.Lock()
	first := e.running.Load()
	r.record.Store(rec)
	r.prev.Store(nil)
	r.next.Store(first)
	if first != nil {
		first.prev.Store(r)
	}
	e.running.Store(r)
	e.mu.Unlock()
	core.RaceEnable()
	return r
}

// leave takes the task off the list.
func (e *Engine[T]) leave(m *meta, r *running) {
	if m.context != nil {
		m.context.running.Store(false)
	}
	core.RaceDisable()
	e.mu.Lock()
	prev, next := r.prev.Load(), r.next.Load()
	if prev != nil {
		prev.next.Store(next)
	} else {
		e.running.Store(next)
	}
	if next != nil {
		next.prev.Store(prev)
	}
	e.mu.Unlock()
	core.RaceEnable()
}

// records returns the records of the named tasks that run.
func (e *Engine[T]) records() []record {
	core.RaceDisable()
	defer core.RaceEnable()
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []record
	for r := e.running.Load(); r != nil; r = r.next.Load() {
		if rec := r.record.Load(); rec.path != "" {
			all = append(all, rec)
		}
	}
	return all
}
