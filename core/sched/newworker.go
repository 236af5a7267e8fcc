package sched

import (
	"sync"

	"github.com/coterie-go/coterie/core/race"
)

// This file makes Workers, and keeps those that are not in use.

// workers holds Workers that are not in use.
var workers = sync.Pool{New: func() any { return new(Worker) }}

func newWorker(s *Scheduler) *Worker {
	var w *Worker
	if race.Hidden { // the detector would see the pool order tasks
		w = new(Worker)
	} else {
		w = workers.Get().(*Worker)
	}
	if w.start == nil {
		w.start = w.work
	}
	w.s = s
	return w
}

func (w *Worker) free() {
	if !race.Hidden {
		*w = Worker{start: w.start}
		workers.Put(w)
	}
}
