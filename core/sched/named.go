package sched

import (
	"context"
	"runtime/pprof"
	"runtime/trace"
)

// This file holds named tasks: their paths, their labels, and the list of those that run.

// A Named is a task with a name and without a context.
type Named struct {
	Task
	record record
	labels context.Context // with the path; nil in an owner without a name
}

// WithPath returns t with a name of its own, which nests in the owner's name. The path is a pprof
// label of the task if the owner has a name. WithPath returns t itself if neither has a name.
func (s *Scheduler) WithPath(name string, t Task) Task {
	config := s.config()
	path := config.PathOf(name)
	if path == "" {
		return t
	}
	n := &Named{Task: t, labels: config.Labels}
	if config.Labels != nil && name != "" {
		n.labels = labelled(config.Labels, path)
	}
	n.record.init(path, nil, config)
	return n
}

// InOwner returns t with the name of its owner, or t itself if the owner has none.
func (s *Scheduler) InOwner(t Task) Task {
	if s.config().Labels == nil {
		return t
	}
	return s.WithPath("", t)
}

// init makes r the record of a task of the owner that is about to be submitted. c may be nil.
func (r *record) init(path string, c *Context, config *Config) {
	r.path, r.context, r.link.Value = path, c, r
	if config.entry != nil {
		r.queued = now()
	}
	if observed() {
		r.watchQueued(config)
	}
}

func (n *Named) recorded() *record { return &n.record }

// unnamed returns the task that was given to WithPath or InOwner.
func unnamed(t Task) Task {
	if n, ok := t.(*Named); ok {
		return n.Task
	}
	return t
}

func (n *Named) Run(w *Worker) {
	w.begin(&n.record, n.labels)
	defer w.finish(&n.record)
	n.Task.Run(w)
	w.Returned()
}

// Begin records that a task with a context begins. The task calls Begin, and calls End when it
// ends, also by a panic or Goexit.
func (c *Context) Begin(w *Worker) { c.BeginWithin(w, c.Context) }

// BeginWithin is Begin, but makes parent, which derives from the parent of c, the new parent.
func (c *Context) BeginWithin(w *Worker, parent context.Context) {
	var labels context.Context
	if config := w.s.config(); config.Labels != nil || config.Base != nil {
		labels = c.Context
	}
	c.Context = parent
	w.begin(c.record, labels)
	w.context = c
	c.lentTo, c.host = w.lentTo, w.host
	if w.s.config().IdleAfter > 0 {
		c.goroutine = w.id()
	}
}

// End marks the context as that of a task that has ended, takes the task off the list, and resets
// the labels. A task that has not returned ends later, after Owner.Aborted.
func (c *Context) End(w *Worker) {
	if w.context == nil {
		c.ended.Store(true)
	}
	w.finish(c.record)
	if base := w.s.config().Base; base != nil {
		pprof.SetGoroutineLabels(base)
	}
}

// begin sets the goroutine's labels, unless labels is nil. It lists the task, unless r is nil.
func (w *Worker) begin(r *record, labels context.Context) {
	if labels != nil {
		pprof.SetGoroutineLabels(labels)
	}
	if r == nil {
		return
	}
	w.record = r
	r.started, r.goroutine = now(), w.id()
	if r.watch != nil || trace.IsEnabled() {
		r.watchBegin(labels)
	}
	w.s.locked(func() { w.s.share().named.PushBack(&r.link) })
}

// finish takes the task off the list. r may be nil.
func (w *Worker) finish(r *record) {
	if r == nil {
		return
	}
	if r.watch != nil {
		w.watchEnd(r)
	}
	w.s.locked(func() { w.s.shared.named.Remove(&r.link) })
}

// id returns the number of the worker's goroutine.
func (w *Worker) id() uint64 {
	if w.goroutine == 0 {
		w.goroutine = GoroutineID()
	}
	return w.goroutine
}
