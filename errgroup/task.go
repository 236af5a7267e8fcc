package errgroup

import (
	"context"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// A plain is a task of a group that fails fast. It finds its group through the worker, so to start
// it allocates nothing.
type plain func() error

func (f plain) Run(w *sched.Worker) {
	if err := f(); err != nil {
		w.Failed(err)
		(*Group)(w.Scheduler().Owner.(*owner)).fail(0, nil, err)
	}
}

// A task carries its number and path, for its error.
type task struct {
	group  *Group
	f      func() error
	number uint64     // in the order of start, from 1; 0 without Collect
	error  *TaskError // wraps the error, with the task's path; nil for a task without a name

	reported bool // the group has recorded how the task has ended
}

func (t *task) Run(w *sched.Worker) { t.done(w, t.f()) }

func (t *task) done(w *sched.Worker, err error) {
	if err == nil {
		return
	}
	w.Failed(err)
	if !t.reported {
		t.fail(err)
	}
}

// fail records err as an error of the group, unless it is nil.
func (t *task) fail(err error) {
	if err != nil {
		t.group.fail(t.number, t.error, err)
	}
}

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

// A backgroundTask is a task that Background has started.
type backgroundTask struct {
	sched.Context
	group  *Group
	number uint64 // as in task
	f      func(ctx context.Context) error
}

// Run calls the function.
func (t *backgroundTask) Run(w *sched.Worker) {
	t.Begin(w)
	defer t.End(w)
	err := t.f(&t.Context)
	if err != nil && (t.Err() == nil || !sched.IsCancellationReport(err, &t.Context, true)) {
		t.group.fail(t.number, nil, err)
	}
}

// task returns a task of the group, without a name of its own, that runs f.
func (g *Group) task(f func() error) sched.Task {
	checkFunc(f == nil)
	g.setOwner()
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

// setOwner makes a zero group the owner of its scheduler, before the first task. In a race build it
// does nothing, because the detector would see it order the goroutines that start tasks. There each
// task points to its group.
func (g *Group) setOwner() {
	if !race.Hidden && !g.owned.Load() {
		g.scheduler.SetOwner((*owner)(g))
		g.owned.Store(true)
	}
}

// An owner is the sched.Owner of a group.
type owner Group

func (o *owner) Config() *sched.Config { return &(*Group)(o).options().config }

// Context returns the context of the group, or nil.
func (o *owner) Context() context.Context { return o.ctx }

// Aborted applies the panic policy to a task that has panicked, or, if p is nil, has called Goexit.
func (o *owner) Aborted(_ *sched.Scheduler, _ *sched.Set, t sched.Task, p *core.PanicError) {
	g := (*Group)(o)
	switch t := sched.Unnamed(t).(type) {
	case *task:
		if !t.reported {
			g.aborted(t.number, t.error, p)
		}
	case *contextTask:
		g.aborted(t.number, t.error, p)
	case *backgroundTask:
		g.aborted(t.number, nil, p)
	default:
		g.aborted(0, nil, p)
	}
}

func (g *Group) aborted(number uint64, name *TaskError, p *core.PanicError) {
	var err error = core.ErrGoexit
	if p != nil {
		err = p
	}
	switch policy := g.options().panics; {
	case policy == core.Capture:
		g.record(number, name, err, false)
	case policy == core.Crash && p != nil:
		panic(p.Value)
	default:
		g.scheduler.Fail(p) // before stop, so that no panic of a cancelled sibling comes first
		g.stop(err)
	}
}

// numbers counts the tasks of a group with Collect.
type numbers struct{ last atomic.Uint64 }

// number returns the number of the next task, or 0 without Collect. It is hidden from the race
// detector, which would see it order the goroutines that start tasks.
func (g *Group) number() uint64 {
	if !g.options().collect {
		return 0
	}
	race.Disable()
	n := g.started.last.Add(1)
	race.Enable()
	return n
}

// Fork starts f in g, as Go does, and returns a future for its result. Get returns an error of f,
// which is also an error of the group. Get raises a panic of f, and g applies its panic policy to
// it; under [core.Capture] Get returns the panic as its error. Get returns [core.ErrGoexit] if f
// calls Goexit, and g does the same as for any task. Fork panics where Go panics.
func Fork[T any](g *Group, f func() (T, error)) *core.Future[T] {
	checkFunc(f == nil)
	p := core.NewPromise[T]()
	p.Owned(uint32(g.scheduler.Number()))
	t := &task{group: g, number: g.number()}
	t.f = func() error {
		var value T
		var err error
		returned := false
		core.Call(func() {
			value, err = f()
			returned = true
		}, func(panicked *core.PanicError) {
			forkAborted(t, p, panicked)
		})
		if !returned {
			return nil
		}
		t.fail(err) // before a task that gets the error from Get can fail with it
		t.reported = true
		p.Resolve(value, err)
		return err
	}
	if !g.scheduler.Go(nil, g.scheduler.InOwner(t)) {
		g.refuse()
	}
	return p.Future()
}

// forkAborted resolves the promise of a Fork whose function has panicked, or, if panicked is nil,
// has called Goexit.
func forkAborted[T any](t *task, p core.Promise[T], panicked *core.PanicError) {
	policy := t.group.options().panics
	var zero T
	t.group.aborted(t.number, t.error, panicked) // does not return under Crash
	t.reported = true
	switch {
	case panicked == nil:
		p.Resolve(zero, core.ErrGoexit)
	case policy == core.Capture:
		p.Resolve(zero, panicked)
	default:
		core.Call(func() {
			p.Run(policy, func() (T, error) { panic(panicked) })
		}, func(*core.PanicError) {}) // Run panics with it again, and the task is about to return
	}
}
