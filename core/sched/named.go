package sched

import (
	"context"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/quote"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds named tasks, and the reports of the tasks that run.

// A Named is a task with a name and without a context.
type Named struct {
	Task
	path   string
	since  moment          // when the task was queued; 0 in an owner without a name
	labels context.Context // with the path; nil in an owner without a name
}

// WithPath returns t with a name of its own, which nests in the owner's name. The path is a pprof
// label of the task if the owner has a name.
func (s *Scheduler) WithPath(name string, t Task) Task {
	config := s.config()
	n := &Named{Task: t, path: config.Join(name)}
	if config.Labels != nil {
		n.since = now()
		n.labels = pprof.WithLabels(config.Labels, pprof.Labels("coterie", n.path))
	}
	if n.path != "" && observed() {
		return n.watched(config)
	}
	return n
}

// Unnamed returns the task that was given to WithPath or InOwner.
func Unnamed(t Task) Task {
	switch t := t.(type) {
	case *Named:
		return t.Task
	case *watchedTask:
		return t.Task
	}
	return t
}

// InOwner returns t with the name of its owner, or t itself if the owner has none.
func (s *Scheduler) InOwner(t Task) Task {
	config := s.config()
	if config.Labels == nil {
		return t
	}
	n := &Named{Task: t, path: config.Path, labels: config.Labels, since: now()}
	if observed() {
		return n.watched(config)
	}
	return n
}

func (n *Named) Run(w *Worker) {
	defer w.finish(w.begin(n, nil, n.labels))
	n.Task.Run(w)
}

// A task with a context calls Begin when it begins, and End when it ends, also by a panic or
// Goexit.
func (c *Context) Begin(w *Worker) { c.BeginWithin(w, c.Context) }

// BeginWithin is Begin, but makes parent, which derives from the parent of c, the new parent.
func (c *Context) BeginWithin(w *Worker, parent context.Context) {
	var labels context.Context
	if config := w.s.config(); config.Labels != nil || config.Base != nil {
		labels = c.Context
	}
	c.Context = parent
	c.record = w.begin(c, c.record, labels)
	c.lender = w.lender
	if w.s.config().IdleAfter > 0 {
		c.goroutine = w.id()
	}
}

// End marks the context as that of a task that has ended, takes the task off the list, and resets
// the labels.
func (c *Context) End(w *Worker) {
	c.end()
	w.finish(c.record)
	if base := w.s.config().Base; base != nil {
		pprof.SetGoroutineLabels(base)
	}
}

// begin sets the goroutine's labels, unless labels is nil. It lists the task, unless its path is
// empty, and returns its record. r is the task's record, or nil if it has none yet.
func (w *Worker) begin(t pathed, r *record, labels context.Context) *record {
	if labels != nil {
		pprof.SetGoroutineLabels(labels)
	}
	if t.taskPath() == "" {
		return nil
	}
	if r == nil {
		r = new(record)
	}
	r.task, r.started, r.goroutine = t, now(), w.id()
	if r.watch != nil || trace.IsEnabled() {
		r.watchBegin(labels)
	}
	if race.Hidden && w.direct {
		w.s.enter.Release()
		w.s.listHidden(r)
	} else {
		w.s.locked(func(*todo) { w.s.share().named.add(r) })
	}
	return r
}

// finish takes the task off the list. r may be nil.
func (w *Worker) finish(r *record) {
	if r == nil {
		return
	}
	if r.watch != nil {
		w.watchEnd(r)
	}
	if race.Hidden && w.direct { // its goroutine is about to exit, so the edges into it are harmless
		w.s.lock()
		w.s.shared.named.remove(r)
		w.s.mu.Unlock()
		return
	}
	w.s.locked(func(*todo) { w.s.shared.named.remove(r) })
}

// id returns the number of the worker's goroutine.
func (w *Worker) id() uint64 {
	if w.goroutine == 0 {
		w.goroutine = GoroutineID()
	}
	return w.goroutine
}

func (n *Named) taskPath() string { return n.path }

func (n *Named) taskContext() context.Context { return nil }
func (n *Named) queue(at moment)              { n.since = at }
func (n *Named) queuedSince() moment          { return n.since }

func (c *Context) taskPath() string { return c.names.path }

func (c *Context) taskContext() context.Context { return c.Context }

// A watchedTask is a Named that observers see.
type watchedTask struct {
	Named
	record *record
}

func (n *Named) watched(config *Config) Task {
	r := newWatched(n.path, config)
	if r == nil {
		return n
	}
	return &watchedTask{*n, r}
}

func (t *watchedTask) Run(w *Worker) {
	defer w.finish(w.begin(&t.Named, t.record, t.labels))
	t.Task.Run(w)
	t.record.watch.returned = true
}

func (t *watchedTask) watching() *record { return t.record }

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
		tasks           []Record
	}
	v := peek(s, func() seen {
		v := seen{queued: s.unclaimedLocked()}
		v.running = s.runningLocked() - v.queued
		if x := s.shared; x != nil {
			v.running += x.backgrounds.n
			v.queued -= x.void
			for e := x.lines.Front(); e != nil; e = e.Next() {
				v.queued += e.Value.waits
			}
			for r := range x.named.all() {
				v.tasks = append(v.tasks, Record{r.task.taskPath(), r.started.time(), r.goroutine})
			}
		}
		return v
	})
	config := s.config()
	e := core.StuckError{Kind: config.Kind, Owner: config.Path, Running: v.running, Queued: v.queued, Cause: cause}
	return Stuck(e, race.Copy(v.tasks))
}

// StuckNow is Stuck, but first yields, so that workers can count tasks that have already ended.
func (s *Scheduler) StuckNow(cause error) *core.StuckError {
	s.settled(s.idleLocked)
	return s.Stuck(cause)
}

// Running returns the number of tasks that were accepted and have not ended.
func (s *Scheduler) Running() int {
	return peek(s, func() int { return s.runningLocked() })
}

func (s *Scheduler) runningLocked() int {
	n := int(s.busy) + s.unclaimedLocked()
	if s.shared != nil {
		n += int(s.shared.lent)
	}
	return n
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
	return peek(s, func() Counts {
		x := s.shared
		c := Counts{
			Workers: x.workers, Busy: int(s.busy), Lent: int(x.lent), Queued: s.unclaimedLocked() - x.void,
			Accepted: x.accepted - x.helpers, Panicked: x.panicked, Dropped: x.dropped,
		}
		c.Completed = c.Accepted - c.Dropped - uint64(c.Queued+c.Busy+c.Lent-x.helping)
		return c
	})
}

// Stuck returns a report of how many tasks of the set have not ended. cause is why a waiter gave
// up.
func (set *Set) Stuck(cause error) *core.StuckError {
	s := set.scheduler()
	type seen struct {
		busy, queued int
		noun         string
	}
	v := peek(s, func() seen {
		v := seen{set.busy, s.shared.queue.unclaimedOf(set), "batch"}
		if set.key != nil {
			v.queued += set.key.waits
			v.noun = "key"
		}
		return v
	})
	config := s.config()
	return Stuck(core.StuckError{
		Kind: v.noun + " of " + config.Kind, Owner: config.Path, Running: v.busy, Queued: v.queued, Cause: cause,
	}, nil)
}

// WaitContext is Wait, but returns a *core.StuckError if ctx ends while tasks of the set are left.
// The caller lends the place of that task if ctx is that of a task of the scheduler.
func (set *Set) WaitContext(ctx context.Context) (raise func(), err error) {
	for by := set.lenderOf(ctx); ; {
		if raise, err = set.wait(ctx, by); err == nil {
			return raise, nil
		}
		set.scheduler().settled(set.idleLocked)
		if stuck := set.Stuck(err); stuck.Running+stuck.Queued > 0 {
			return nil, stuck
		}
	}
}

// IsWorker reports whether the caller's goroutine runs a task of the scheduler. It works only in
// owners with IdleAfter. It takes microseconds, and stops the world if the task has a goroutine of
// its own.
func (s *Scheduler) IsWorker() bool {
	ids := Ancestors(func(creator string) bool {
		return strings.Contains(creator, "sched.(*Worker).isolate") || strings.Contains(creator, "sched.(*Scheduler).runInline")
	})
	return peek(s, func() bool {
		for e := s.shared.all.Front(); e != nil; e = e.Next() {
			if slices.Contains(ids, e.Value.goroutine) {
				return true
			}
		}
		return false
	})
}
