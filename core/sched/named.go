package sched

import (
	"context"
	"runtime/pprof"
	"runtime/trace"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/quote"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds named tasks, and the reports of the tasks that run.

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

// Unnamed returns the task that was given to WithPath or InOwner.
func Unnamed(t Task) Task {
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

// Begin records that a task with a context begins. The task calls Begin, and calls End when it ends,
// also by a panic or Goexit.
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
	c.lentTo = w.lentTo
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
	w.s.locked(func(*todo) { w.s.share().named.PushBack(&r.link) })
}

// finish takes the task off the list. r may be nil.
func (w *Worker) finish(r *record) {
	if r == nil {
		return
	}
	if r.watch != nil {
		w.watchEnd(r)
	}
	w.s.locked(func(*todo) { w.s.shared.named.Remove(&r.link) })
}

// id returns the number of the worker's goroutine.
func (w *Worker) id() uint64 {
	if w.goroutine == 0 {
		w.goroutine = GoroutineID()
	}
	return w.goroutine
}

// WaitContext is Wait, but returns a *core.StuckError if ctx ends while a task is left.
func (s *Scheduler) WaitContext(ctx context.Context) error {
	for {
		err := s.Wait(ctx)
		if err == nil {
			return nil
		}
		if stuck := s.StuckNow(err); stuck.Running+stuck.Queued > 0 {
			return stuck
		}
	}
}

// Stuck returns a report of the tasks that run. cause is why a waiter gave up. It stops the world
// to read stacks if there are named tasks.
func (s *Scheduler) Stuck(cause error) *core.StuckError {
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

// StuckNow is Stuck, but first yields, so that workers can count tasks that have already ended.
func (s *Scheduler) StuckNow(cause error) *core.StuckError {
	s.settled(s.emptyLocked)
	return s.Stuck(cause)
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
// up.
func (set *Set) Stuck(cause error) *core.StuckError {
	s := set.scheduler()
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
