package errgroup

import (
	"context"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// A plain task is one of a group that fails fast. It finds its group through the worker, so
// to start it allocates nothing.
type plain func() error

// Run runs the function.
func (f plain) Run(w *sched.Worker) {
	if err := f(); err != nil {
		w.Failed(err)
		(*Group)(w.Scheduler().Owner.(*owner)).fail(0, nil, err)
	}
}

// A task says of itself what is to be known of its error.
type task struct {
	group  *Group
	f      func() error
	number uint64     // in the order of start, from 1; 0 unless errors are collected
	error  *TaskError // that is to hold the error; nil for a task without a name
	future resolver   // nil unless Fork made the task
}

// A resolver is told how its task has ended, once the group knows: of a panic, or, if p is
// nil, of the error.
type resolver interface {
	resolve(err error, p *core.PanicError)
}

// Run runs the function.
func (t *task) Run(w *sched.Worker) { t.done(w, t.f()) }

func (t *task) done(w *sched.Worker, err error) {
	if err != nil {
		w.Failed(err)
		t.fail(err)
	}
	if t.future != nil { // whoever Gets it may fail of the error, too
		t.future.resolve(err, nil)
	}
}

// fail tells the group of an error.
func (t *task) fail(err error) { t.group.fail(t.number, t.error, err) }

// A contextTask is a task with a context.
type contextTask struct {
	sched.Context
	task
	f func(ctx context.Context) error
}

// Run calls the function.
func (t *contextTask) Run(w *sched.Worker) {
	t.Begin(w)
	defer t.End(w)
	err := t.f(&t.Context)
	t.Returned()
	t.done(w, err)
}

// task returns f as a task of the group without a name of its own.
func (g *Group) task(f func() error) sched.Task {
	checkFunc(f == nil)
	g.introduce()
	if g.settings == nil {
		if race.Hidden {
			return &task{group: g, f: f}
		}
		return plain(f)
	}
	var t sched.Task = plain(f)
	if g.settings.collect {
		t = &task{group: g, f: f, number: g.number()}
	}
	if g.settings.config.Labels != nil {
		t = g.scheduler.InOwner(t)
	}
	return t
}

// introduce makes a zero group known to its scheduler, before its first task. A race build
// would take that for an order between those who start tasks, so there each task
// knows its group.
func (g *Group) introduce() {
	if !race.Hidden && !g.owned.Load() {
		g.scheduler.SetOwner((*owner)(g))
		g.owned.Store(true)
	}
}

// An owner is what a group is to its scheduler.
type owner Group

// Config returns the settings.
func (o *owner) Config() *sched.Config { return &(*Group)(o).options().config }

// Context returns that of the group, or nil.
func (o *owner) Context() context.Context { return o.ctx }

// Aborted records how a task has ended that has not returned.
func (o *owner) Aborted(_ *sched.Scheduler, _ *sched.Set, t sched.Task, p *core.PanicError) {
	known := new(task) // nothing is known of a plain function
	switch t := sched.Unnamed(t).(type) {
	case *task:
		known = t
	case *contextTask:
		known = &t.task
	}
	var err error = core.ErrGoexit
	if p != nil {
		err = p
	}
	g := (*Group)(o)
	switch policy := g.options().panics; {
	case policy == core.Capture:
		g.record(known.number, known.error, err, false)
	case policy == core.Crash && p != nil:
		panic(p.Value)
	default:
		g.scheduler.Fail(p) // first, so that no panic of a cancelled sibling comes before it
		g.stop(err)
	}
	if known.future != nil {
		known.future.resolve(core.ErrGoexit, p)
	}
}

// number returns the number of the next task, or 0 if errors are not collected. The race
// detector does not see it: it would order those who start tasks.
func (g *Group) number() uint64 {
	if !g.options().collect {
		return 0
	}
	return g.started.Add(1)
}

// Fork starts f in g, as Go does, and returns its result to come. An error of f is
// one of the group, too. A panic of f is raised by the future's Get and falls under
// g's panic policy as that of any task; under [core.Capture] it is the error that
// Get returns.
func Fork[T any](g *Group, f func() (T, error)) *core.Future[T] {
	checkFunc(f == nil)
	t := &forked[T]{promise: core.NewPromise[T]()}
	t.promise.Owned(uint32(g.scheduler.Number()))
	t.task = task{group: g, number: g.number(), future: t, f: func() (err error) {
		t.value, err = f()
		return err
	}}
	if !g.scheduler.Go(nil, g.scheduler.InOwner(&t.task)) {
		g.refuse()
	}
	return t.promise.Future()
}

// A forked task has a result.
type forked[T any] struct {
	task
	promise core.Promise[T]
	value   T
}

func (t *forked[T]) resolve(err error, p *core.PanicError) {
	policy := t.group.options().panics
	switch {
	case p == nil:
		t.promise.Resolve(t.value, err)
	case policy == core.Capture:
		t.promise.Resolve(t.value, p)
	default:
		core.Call(func() {
			t.promise.Run(policy, func() (T, error) { panic(p) })
		}, func(*core.PanicError) {}) // Run passes it on, and the group knows
	}
}
