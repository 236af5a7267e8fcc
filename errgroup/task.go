package errgroup

import (
	"context"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// A plain is a task of a group that fails fast. It finds its group through the worker, so starting
// it allocates nothing.
type plain func() error

func (f plain) Run(w *sched.Worker) {
	if err := f(); err != nil {
		w.Failed(err)
		(*Group)(race.Load(&w.Scheduler().Owner).(*owner)).fail(0, nil, err)
	}
}

// A task carries its number and path, for its error.
type task struct {
	group  *Group
	f      func() error
	number uint64     // in the order of start, from 1; 0 without Collect
	error  *TaskError // wraps the error, with the task's path; nil for a task without a name
}

func (t *task) Run(w *sched.Worker) { t.done(w, t.f()) }

func (t *task) done(w *sched.Worker, err error) {
	if err != nil {
		w.Failed(err)
		t.fail(err)
	}
}

func (t *task) self() *task { return t }

// fail records err as an error of the group.
func (t *task) fail(err error) { t.group.fail(t.number, t.error, err) }

type contextTask struct {
	sched.Context
	task
	f func(ctx context.Context) error
}

// Run calls the function.
func (t *contextTask) Run(w *sched.Worker) {
	t.Begin(w)
	defer t.End(w)
	f := t.f
	t.f = nil // the task's context may outlive the task
	err := f(&t.Context)
	w.Returned()
	t.done(w, err)
}

// task returns a task of the group, without a name of its own, that runs f.
func (g *Group) task(f func() error) sched.Task {
	checkFunc(f == nil)
	g.setOwner()
	o := g.options()
	var t sched.Task = plain(f)
	if o.Collect {
		t = &task{group: g, f: f, number: g.number()}
	}
	if o.config.Labels != nil {
		t = g.scheduler.InOwner(t)
	}
	return t
}

// setOwner makes a zero group the owner of its scheduler, before the first task.
func (g *Group) setOwner() {
	if g.hasOwner.Load() == 0 {
		g.scheduler.SetOwner((*owner)(g), &g.options().config)
		g.hasOwner.Store(1)
	}
}

// An owner is the sched.Owner of a group.
type owner Group

// Context returns the context of the group, or nil.
func (o *owner) Context() context.Context { return o.ctx }

// Aborted applies the panic policy to a task that has panicked, or, if p is nil, has called Goexit.
func (o *owner) Aborted(_ *sched.Scheduler, _ *sched.Set, t sched.Task, p *core.PanicError) {
	failed := new(task)
	if t, ok := t.(interface{ self() *task }); ok { // else it is plain
		failed = t.self()
	}
	var err error = core.ErrGoexit
	if p != nil {
		err = p
	}
	g := (*Group)(o)
	switch policy := g.options().Panics; {
	case policy == core.Capture:
		g.record(failed.number, failed.error, err, notReport)
	case policy == core.Crash && p != nil:
		panic(p.Value)
	default:
		g.scheduler.Fail(p) // before stop, so that no panic of a cancelled sibling comes first
		g.stop(err)
	}
}

// number returns the number of the next task, or 0 without Collect. It is hidden from the race
// detector, which would see it order the goroutines that start tasks.
func (g *Group) number() uint64 {
	if !g.options().Collect {
		return 0
	}
	return g.started.Add(1)
}

// Fork starts f in g, as Go does, and returns a future for its result. Get returns an error of f,
// which is also an error of the group. Get raises a panic of f, and g applies its panic policy to
// it; under [core.Capture] Get returns the panic as its error. Get returns [core.ErrGoexit] if f
// calls Goexit, and g does the same as for any task. Fork panics where Go panics.
func Fork[T any](g *Group, f func() (T, error)) *core.Future[T] {
	checkFunc(f == nil)
	g.setOwner()
	t := &forked[T]{task: task{group: g, number: g.number()}, f: f, promise: core.NewPromise[T]()}
	t.promise.Owned(uint32(g.scheduler.Number()))
	if !g.scheduler.Go(nil, g.scheduler.InOwner(t)) {
		g.refuse()
	}
	return t.promise.Future()
}

// A forked is a task with a result.
type forked[T any] struct {
	task
	f       func() (T, error)
	promise core.Promise[T]
}

// Run calls the function.
func (t *forked[T]) Run(w *sched.Worker) {
	v, err := t.f()
	t.done(w, err)
	t.f = nil
	t.promise.Resolve(v, err) // after done: a task that gets the error from Get may fail with it
}

// Abort gives the future the panic or the Goexit of the task, unless it has a result.
func (t *forked[T]) Abort(p *core.PanicError) {
	if t.f != nil && p != nil && t.group.options().Panics == core.Capture {
		var zero T
		t.promise.Resolve(zero, p)
		return
	}
	t.promise.Abort(p)
}
