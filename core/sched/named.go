package sched

import (
	"context"
	"fmt"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/quote"
	"github.com/coterie-go/coterie/core/race"
)

// begin labels the goroutine of a task and lists it. Either may be left out: by nil, and for a
// task without a path. r is the task's record, or nil if it has none yet.
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
	r.task, r.started, r.goroutine = t, time.Now(), w.id()
	if r.watch != nil || trace.IsEnabled() {
		r.watchBegin(labels)
	}
	if w.direct {
		w.s.enter.Release()
		w.s.listHidden(r)
	} else {
		w.s.locked(func(*todo) { w.s.share().named.add(r) })
	}
	return r
}

// id returns the number of the worker's goroutine.
func (w *Worker) id() uint64 {
	if w.goroutine == 0 {
		w.goroutine = GoroutineID()
	}
	return w.goroutine
}

// finish takes the task off the list.
func (w *Worker) finish(r *record) {
	if r == nil {
		return
	}
	if r.watch != nil {
		w.watchEnd(r)
	}
	if w.direct { // its goroutine is about to exit, so the edges into it are harmless
		w.s.lock()
		w.s.shared.named.remove(r)
		w.s.mu.Unlock()
		return
	}
	w.s.locked(func(*todo) { w.s.shared.named.remove(r) })
}

// Named is a task with a name and without a context.
type Named struct {
	Task
	path   string
	labels context.Context // nil in an owner without a name
}

// WithPath returns t with a name of its own, which nests in that of the owner. The name is
// in profiles if the owner has one.
func (s *Scheduler) WithPath(name string, t Task) Task {
	config := s.config()
	n := &Named{Task: t, path: config.Join(name)}
	if config.Labels != nil {
		n.labels = pprof.WithLabels(config.Labels, pprof.Labels("coterie", n.path))
	}
	if n.path != "" && observed() {
		return n.watched(config)
	}
	return n
}

func (n *Named) taskPath() string             { return n.path }
func (n *Named) taskContext() context.Context { return nil }

// Unnamed returns the task that WithPath or InOwner was given.
func Unnamed(t Task) Task {
	switch t := t.(type) {
	case *Named:
		return t.Task
	case *watchedTask:
		return t.Task
	}
	return t
}

// InOwner returns t as a task of an owner that may have a name.
func (s *Scheduler) InOwner(t Task) Task {
	config := s.config()
	if config.Labels == nil {
		return t
	}
	n := &Named{t, config.Path, config.Labels}
	if observed() {
		return n.watched(config)
	}
	return n
}

// Run runs the task while it is listed.
func (n *Named) Run(w *Worker) {
	defer w.finish(w.begin(n, nil, n.labels))
	n.Task.Run(w)
}

func (c *Context) taskPath() string             { return c.names.path }
func (c *Context) taskContext() context.Context { return c.Context }

// Begin is called by a task with a context as it begins, and End, in any case, as it ends.
func (c *Context) Begin(w *Worker) {
	var labels context.Context
	if config := w.s.config(); config.Labels != nil || config.Base != nil {
		labels = c.Context
	}
	c.record = w.begin(c, c.record, labels)
	c.lender = w.lender
	if w.s.config().IdleAfter > 0 {
		c.goroutine = w.id()
	}
}

// End undoes Begin.
func (c *Context) End(w *Worker) {
	c.end()
	w.finish(c.record)
	if base := w.s.config().Base; base != nil {
		pprof.SetGoroutineLabels(base)
	}
}

// Stuck says who is running. cause is why somebody does not wait for them any longer.
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
				v.tasks = append(v.tasks, Record{r.task.taskPath(), r.started, r.goroutine})
			}
		}
		return v
	})
	config := s.config()
	e := core.StuckError{Kind: config.Kind, Owner: config.Path, Running: v.running, Queued: v.queued, Cause: cause}
	return Stuck(e, race.Copy(v.tasks))
}

// StuckNow is Stuck that lets workers that are about to come back from a task do so first.
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

// Quote returns a name, quoted if it has characters that are not printable.
func Quote(name string) string { return quote.Unprintable(name) }

// Title returns what the owner is and its name, for texts.
func (s *Scheduler) Title() string {
	config := s.config()
	noun := strings.TrimPrefix(config.Kind, "err")
	if config.Path == "" {
		return "a " + noun
	}
	return fmt.Sprintf("%s %q", noun, config.Path)
}

// Counts are a scheduler's numbers at one instant.
type Counts struct {
	Workers, Busy, Lent, Queued            int
	Accepted, Completed, Panicked, Dropped uint64
}

// Counts returns the numbers.
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

// Stuck says how many tasks of the set have not ended.
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

// WaitContext is Wait that returns a *core.StuckError if ctx ends while tasks of the set are left.
func (set *Set) WaitContext(ctx context.Context) (raise func(), err error) {
	return set.waitContext(ctx, set.within)
}

// waitContext is WaitContext that lends the place of the given task.
func (set *Set) waitContext(ctx context.Context, within *Context) (raise func(), err error) {
	if raise, err = set.wait(ctx, within); err == nil {
		return raise, nil
	}
	if !set.scheduler().settled(set.idleLocked) {
		if stuck := set.Stuck(err); stuck.Running+stuck.Queued > 0 {
			return nil, stuck
		}
	}
	return set.wait(nil, within)
}

// IsWorker reports whether the caller's goroutine runs a task of the scheduler, which keeps
// idle workers. It takes microseconds.
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
