package sched

import (
	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds tasks that run in a goroutine of their own: with Options.Isolate, and in race
// builds.

// isolate runs the worker's task in a goroutine of its own, and returns when the task has ended. It
// is used if the Config says so, and in all race builds, because a goroutine that runs two tasks
// orders them.
//
// In a race build the end of the task does not happen before anything that the worker does next.
// There are only the promised edges: from Go to the task, from the end of the task to the waits
// that cover it, and, if the limit is 1, from each task to the next.
func (w *Worker) isolate() {
	in := &Worker{s: w.s, config: w.config, task: w.task, set: w.set, lentTo: w.lentTo, host: w.host, ordered: w.ordered, hidden: w.bookkeeper()}
	ended := park.Get(false)
	go func() {
		in.acquireOrder()
		in.runIsolated((*Scheduler).hostTask, func() {
			in.publish()
			ended.Wake()
		})
	}()
	ended.Wait(nil)
	ended.Free()
	w.ending = race.Load(&in.ending)
}

// runIsolated calls host, which runs the worker's task. The caller's goroutine runs no other task.
// runIsolated calls ended also if the task panics or calls Goexit, unless the process is about to
// end.
func (w *Worker) runIsolated(host func(s *Scheduler, bookkeeper *Worker, run func()), ended func()) {
	returned := false
	core.Call(func() {
		host(w.s, w.bookkeeper(), w.runTask)
		returned = true
	}, func(p *core.PanicError) { w.aborted(p, ended) })
	if returned {
		ended()
	}
}

// bookkeeper returns the worker that does the bookkeeping for w.
func (w *Worker) bookkeeper() *Worker {
	if w.hidden != nil {
		return w.hidden
	}
	return w
}

func (w *Worker) runTask() {
	w.task = uncarry(w.task)
	w.task.Run(w)
}

// visitHidden is visitLocked in a race build. The bookkeeping uses a hidden Worker of its own, and
// copies fields from it to w.
func (w *Worker) visitHidden(yields int) verdict {
	if w.hidden == nil {
		w.hidden = &Worker{
			s: w.s, config: w.config, task: w.task, set: w.set, busy: w.busy, lent: w.lent, lentTo: w.lentTo,
		}
	}
	if w.parker == nil {
		w.parker = park.Get(false)
	}
	type result struct {
		verdict verdict
		task    Task
		set     *Set
		ordered bool
	}
	h, parker, ending := w.hidden, w.parker, w.ending
	r := inLock(w.s, func() result {
		h.parker, h.ending = parker, ending
		v := h.visitLocked(yields)
		return result{v, h.task, h.set, h.s.isOrdered()}
	})
	w.ending = endedWell
	w.task, w.set, w.ordered = r.task, r.set, r.ordered
	if r.verdict == parkIdle {
		w.busy = false
	}
	return r.verdict
}

func (s *Scheduler) startDirect(d direct) {
	go func() {
		w := &Worker{s: s, config: s.config(), task: d.task, set: d.set, busy: true, direct: true, ordered: d.ordered}
		w.acquireOrder()
		w.runIsolated((*Scheduler).hostTask, w.exit)
	}()
}
