package group

import (
	"context"
	"runtime"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// A Group owns the goroutines that run its tasks.
//
// The zero value is ready for use. It has no name and no limit, and the panic policy
// [core.Propagate]. Several goroutines may call its methods at once. Its own tasks may call them
// too, except Wait and WaitContext. A Group may be used again after Wait, and then keeps nothing of
// the earlier round. It must not be copied after first use; go vet reports a copy.
//
// In the terminology of [the Go memory model], a call of Go "synchronizes before" the task that it
// starts, and the end of a task before the return of any Wait that covers it. Two tasks are not
// ordered, unless the group's limit is 1: then the end of each task synchronizes before the next.
// The race detector reports races between tasks that are not ordered.
//
// [the Go memory model]: https://go.dev/ref/mem
type Group struct {
	scheduler sched.Scheduler
}

// New returns a group with the given options. It panics if Limit is negative, if the policy is
// unknown, or if OnPanic is set without the policy [core.Capture] or not set with it.
func New(opts Options) *Group {
	g := new(Group)
	opts.apply(&g.scheduler)
	return g
}

// Run is a lexical scope: it calls body with a new group, and blocks until body and every task of
// the group have ended. They may return, panic or call [runtime.Goexit]. Tasks may start tasks,
// also after body has returned.
//
// Run raises a panic or a Goexit of body when the tasks have ended. It also raises panics and
// Goexits of tasks, as [Group.Wait] does, unless a Wait in body has raised them. The tasks' panics
// are the Others of body's panic if body and tasks panic. A Go on the group after Run panics.
func Run(body func(g *Group)) { RunWith(Options{}, body) }

// RunWith is [Run] with options. It panics if they are not valid, as [New] does, or if body is nil.
func RunWith(opts Options, body func(g *Group)) {
	checkFunc(body == nil)
	g := New(opts)
	if !g.scope(body) {
		panic(new(runtime.PanicNilError))
	}
}

// scope calls body, and returns when body and every task have ended. It reports whether body has
// returned. If not, body has called panic(nil) under GODEBUG=panicnil=1.
func (g *Group) scope(body func(g *Group)) (returned bool) {
	defer func() { g.scheduler.CloseScope(recover()) }()
	body(g)
	return true
}

// Go starts f as if in a goroutine of its own. f may block for as long as it likes, wait for any
// other task, even for a task that is started later, and call Go. It holds up no other task. Go
// blocks only while the group is at its limit, or its semaphore has no free permit. It panics if f
// is nil, or if the group is that of a [Run] that has returned. If every running task has been
// blocked in Go of its own group for a second, Go panics in the oldest of them.
//
// The group applies its [core.PanicPolicy] if f panics. Wait calls [runtime.Goexit] if f calls it.
//
// One goroutine may run several tasks, one after another. So state of the goroutine may pass from
// one task to the next:
//
//   - pprof labels. A new goroutine inherits the labels of the goroutine that starts it: a caller
//     of Go, a caller of SetLimit, or another goroutine of the group. All tasks have the same
//     labels, as with a go statement, if all callers of Go and SetLimit have these labels. A task
//     may have the labels of another caller if callers have different labels. Labels that a task
//     sets with pprof.SetGoroutineLabels stay for the next task, unless the task resets them, as
//     pprof.Do does. A group with a name sets the label "coterie", and no other, for every task.
//   - A [runtime.LockOSThread] without UnlockOSThread, and other settings of the goroutine or its
//     thread. [docs/guide/goroutines.md] has the complete list.
//
// Code that leaves such settings needs [Options.Isolate]. A task must not call Goexit to end its
// thread, because Wait would then end the goroutine that waits.
//
// In a group without a limit Go costs an uncontended lock, and the end of a short task costs one
// atomic addition. Some calls also start a goroutine.
//
// [docs/guide/goroutines.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/goroutines.md
func (g *Group) Go(f func()) {
	if !g.scheduler.Go(nil, g.task(f)) {
		g.refuse()
	}
}

// TryGo is Go, but does not block. TryGo does nothing and reports false if the group is at its
// limit or its semaphore has no free permit. It panics if f is nil, or if the group is that of a
// [Run] that has returned.
func (g *Group) TryGo(f func()) bool {
	err := g.scheduler.TryGo(nil, g.task(f))
	if err == sched.ErrClosed {
		g.refuse()
	}
	return err == nil
}

// GoContext is Go, but gives up when ctx is done before there is room. Then it returns
// [context.Cause] of ctx, and f never runs. It gives up at once if ctx is done at the call, even if
// there is room. Otherwise it returns nil. It panics if ctx or f is nil, or if the group is that of
// a [Run] that has returned.
//
// f gets a context derived from ctx, in which names nest. For example, if this group is named
// "ingest", and f starts a task with the context in a group named "fetch", that task has the path
// "ingest/fetch". A task of a named group has the pprof labels of ctx and the label "coterie".
//
// f runs on the place of the task from which ctx comes, in a goroutine of its own, if there is no
// room and that task belongs to this group or to an owner that shares its Semaphore. GoContext then
// blocks until f has ended. So recursion under a limit does not deadlock.
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context)) error {
	checkContext(ctx)
	checkFunc(f == nil)
	t := &contextTask{f: f}
	t.Init(ctx, &g.scheduler, nil)
	err := g.scheduler.GoContext(ctx, nil, t)
	if err == sched.ErrClosed {
		g.refuse()
	}
	return err
}

// GoNamed is Go for a task with a name. The task "fetch" has the path "ingest/fetch" if the group
// is named "ingest". A [core.StuckError] shows the path. Profiles show it too if the group has a
// name. A task with a path costs 100 to 250 ns more than another, and the first such task of a
// goroutine some microseconds.
func (g *Group) GoNamed(name string, f func()) {
	checkFunc(f == nil)
	if !g.scheduler.Go(nil, g.scheduler.WithPath(name, sched.Func(f))) {
		g.refuse()
	}
}

// Background starts f to serve the other tasks: for example to read their results, to print their
// progress, or to keep a cache for them. f has a goroutine of its own. It does not count against
// the limit, holds no permit of the semaphore, and also starts while the group is at its limit.
// Background does not block.
//
// f gets a context derived from ctx, in which names nest, as with GoContext. The group cancels that
// context, with the cause [core.ErrDone], when every other task has ended and a goroutine is in
// Wait or WaitContext or Run's body has ended. Then f should end: Wait and Run block until f ends.
// They also wait for tasks that f still starts. The group treats a panic or a Goexit of f as that
// of any task.
//
// Background panics if ctx or f is nil, or if the group is that of a [Run] that has
// returned. f must not wait for the group.
func (g *Group) Background(ctx context.Context, f func(ctx context.Context)) {
	checkContext(ctx)
	checkFunc(f == nil)
	t := &contextTask{f: f}
	if !g.scheduler.Background(ctx, &t.Context, t) {
		panic("group: Background on " + g.scheduler.Title() + ", which has ended")
	}
}

// Wait blocks until every task has ended, also those that are started during the call. At some
// instant during the call no task was left. Several goroutines may wait at once, and Go may be
// called at the same time.
//
// Wait panics with a *[core.PanicError] if tasks have panicked under the policy [core.Propagate]:
// the first panic, with the others as its Others. Wait calls runtime.Goexit if no task has panicked
// but a task has called it. Every Wait that is blocked when the last task ends raises this. If none
// is blocked, the next Wait raises it. No later Wait raises it again.
//
// A task must not wait for its own group: the Wait would never end. Wait panics in such a task as
// soon as another goroutine waits for the group too. Until then it only blocks.
// [Group.WaitContext] with the task's context panics at once. Neither finds the mistake if a task
// of another group is in between.
func (g *Group) Wait() { _ = g.scheduler.Wait(nil) }

// WaitContext is Wait, but gives up when ctx is done. Then it returns a *[core.StuckError], which
// wraps [context.Cause] of ctx and lists the named tasks that run. It returns up to 7 ms after ctx
// is done, so that a task that has just ended does not count. The tasks run on, and Wait and
// WaitContext can be called again. WaitContext does what Wait does if no task is left, even if ctx
// is done. It starts no goroutine. It stops the world to read stacks if named tasks run when it
// gives up: that takes 10 to 20 µs for each goroutine of the process.
//
// WaitContext panics if ctx is nil, or if it derives from the context of a task of this group that
// runs: that task would wait for itself.
func (g *Group) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	if g.scheduler.Runs(ctx, nil) {
		panic("group: WaitContext on " + g.scheduler.Title() + " within one of its own tasks")
	}
	return g.scheduler.WaitContext(ctx)
}

// SetLimit changes how many tasks may run at once. It may be called at any time. Tasks that were
// accepted before are not affected. Go blocks until fewer than n run. A higher limit wakes
// goroutines that are blocked in Go. If n is 0, no task is accepted, except on the place of the
// task that starts it; see [Group.GoContext]. There is no limit if n is negative.
func (g *Group) SetLimit(n int) {
	if n < 0 {
		n = sched.Unlimited
	}
	g.scheduler.SetWorkers(n)
}

// Running returns the number of tasks that have been accepted and have not ended, without
// background tasks.
func (g *Group) Running() int { return g.scheduler.Running() }

func (g *Group) task(f func()) sched.Task {
	checkFunc(f == nil)
	return g.scheduler.InOwner(sched.Func(f))
}

func (g *Group) refuse() { panic("group: Go on " + g.scheduler.Title() + ", which has ended") }

func checkFunc(isNil bool) {
	if isNil {
		panic("group: nil func")
	}
}

func checkContext(ctx context.Context) {
	if ctx == nil {
		panic("group: nil context")
	}
}

type contextTask struct {
	sched.Context
	f func(ctx context.Context)
}

// Run implements [sched.Task].
func (t *contextTask) Run(w *sched.Worker) {
	t.Begin(w)
	defer t.End(w)
	f := t.f
	t.f = nil // the task's context may outlive the task
	f(&t.Context)
	w.Returned()
}

// Fork starts f in g, as [Group.Go] does, and returns a future for its result. It blocks while g is
// at its limit. It panics where Go panics. Only Get returns the error of f. Get raises a panic of
// f, and g applies its panic policy to it too. Get returns [core.ErrGoexit], and Wait calls Goexit,
// if f calls Goexit.
//
// Fork makes one allocation more than Go. A Get that blocks makes one.
func Fork[T any](g *Group, f func() (T, error)) *core.Future[T] {
	checkFunc(f == nil)
	t := &forked[T]{f: f}
	t.promise().Owned(uint32(g.scheduler.Number()))
	if !g.scheduler.Go(nil, g.scheduler.InOwner(t)) {
		g.refuse()
	}
	return &t.future
}

// A forked is a task with a result.
type forked[T any] struct {
	f      func() (T, error)
	future core.Future[T] // a field, so that task and future are one allocation
}

func (t *forked[T]) promise() core.Promise[T] { return core.PromiseOf(&t.future) }

// Run implements [sched.Task].
func (t *forked[T]) Run(*sched.Worker) {
	f := t.f
	t.f = nil
	t.promise().Resolve(f())
}

// Abort gives the future the panic or the Goexit of the task.
func (t *forked[T]) Abort(p *core.PanicError) { t.promise().Abort(p) }
