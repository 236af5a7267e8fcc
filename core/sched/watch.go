package sched

import (
	"context"
	"runtime/trace"
	"time"

	"github.com/coterie-go/coterie/core"
)

// This file calls observers for named tasks, and puts named owners and tasks into an execution
// trace. While there is no observer, a named task costs two more atomic loads: when it is started,
// and when it begins.

// A watch describes a task that observers see, or that is a region of an execution trace.
type watch struct {
	watchers []*watcher // those in use when the task was started
	event    Event
	queued   time.Time
	region   *trace.Region
}

// watchQueued calls Queued for a task that is about to be submitted.
func (r *record) watchQueued(config *Config) {
	all := watchers.Load()
	if all == nil {
		return
	}
	r.watch = &watch{
		watchers: *all,
		event:    Event{Path: r.path, Owner: config.number(), Task: r.id()},
		queued:   time.Now(),
	}
	for _, w := range r.watch.watchers {
		w.call(w.Queued, r.watch.event)
	}
}

// Returned records that the function of the worker's task has returned. A task with a name or a
// context calls it, before it passes an error to the owner.
func (w *Worker) Returned() {
	r := w.record
	if r != nil && r.watch != nil {
		r.watch.event.Cancelled = r.isCancelled()
	}
	w.record, w.context = nil, nil
}

// isCancelled reports whether the task has a context, and the context is done.
func (r *record) isCancelled() bool { return r.context != nil && r.context.Err() != nil }

// Failed records for observers that the worker's task is about to return err, and counts the
// failure.
func (w *Worker) Failed(err error) {
	if e := w.config.entry; e != nil {
		e.failed.Add(1)
	}
	if observed() {
		w.err = err
	}
}

// Skip is called instead of running the task if its context is done. It counts the task as dropped,
// and calls Ended.
func (c *Context) Skip(w *Worker) {
	w.MarkDropped()
	c.record.declined(context.Cause(c.Context))
}

// tellDropped calls Ended with err for an accepted task that will not run.
func (t *KeyTask) tellDropped(err error) {
	t.from.Acquire()
	recordOf(t.task).declined(err)
}

// declined calls Ended with err for a task that will not run. r may be nil.
func (r *record) declined(err error) {
	if r == nil || r.watch == nil {
		return
	}
	x := r.watch
	x.event.Waited, x.event.Err, x.event.Cancelled = time.Since(x.queued), err, true
	x.tellEnded()
}

func (x *watch) tellEnded() {
	for _, w := range x.watchers {
		w.call(w.Ended, x.event)
	}
}

// watchBegin starts the region of a task that begins, and calls Started. It runs in the goroutine
// of the task.
func (r *record) watchBegin(labels context.Context) {
	if r.watch == nil {
		r.watch = new(watch)
	}
	x := r.watch
	if trace.IsEnabled() {
		if labels == nil {
			labels = context.Background()
		}
		x.region = trace.StartRegion(labels, r.path)
	}
	if len(x.watchers) == 0 {
		return
	}
	x.event.Waited = r.started.time().Sub(x.queued)
	for _, w := range x.watchers {
		w.call(w.Started, x.event)
	}
}

// watchEnd ends the region of a task, and calls Ended if the task's function has returned. It runs
// in the goroutine of the task.
func (w *Worker) watchEnd(r *record) {
	x := r.watch
	if x.region != nil {
		x.region.End()
	}
	err := w.err
	w.err = nil
	x.event.Ran = time.Since(r.started.time())
	if w.record != nil { // watchAborted is about to be called
		x.event.Cancelled = r.isCancelled()
		return
	}
	x.event.Err = err
	x.tellEnded()
}

// watchAborted calls Ended for a task that has panicked with p, or, if p is nil, has called
// runtime.Goexit.
func (w *Worker) watchAborted(p *core.PanicError) {
	if w.record == nil || w.record.watch == nil {
		return
	}
	x := w.record.watch
	if x.event.Panic = p; p == nil {
		x.event.Err = core.ErrGoexit
	}
	x.tellEnded()
}

func (s *Scheduler) endTrace() {
	if t := s.config().trace; t != nil && t.ended.CompareAndSwap(0, 1) {
		t.End()
	}
}
