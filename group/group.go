package group

import (
	"context"
	"runtime"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// A Group owns the goroutines that run its tasks.
//
// The zero value is ready for use: unnamed, unlimited, with the panic policy
// [core.Propagate]. Several goroutines may call its methods at once, and so may its own
// tasks, except that a task must not wait for its own group. A Group may be used again
// after Wait, and keeps nothing of an earlier round. It must not be copied after first
// use; go vet reports it.
//
// In the terminology of [the Go memory model], a call of Go "synchronizes before"
// the task that it starts, and the end of a task before the return of any Wait
// that covers it. Two tasks are not ordered, unless the group's limit is 1: then each is
// ordered before the next. In builds with -race a race between tasks is reported.
//
// [the Go memory model]: https://go.dev/ref/mem
type Group struct {
	scheduler sched.Scheduler
}

// New returns a group with the given options. It panics if they are not valid: a
// negative Limit, an unknown policy, OnPanic without the policy [core.Capture], or that policy
// without OnPanic.
func New(opts Options) *Group {
	g := new(Group)
	opts.apply(&g.scheduler)
	return g
}

// Run is a lexical scope: it calls body with a new group and returns when body and
// every task of the group have ended, however they end. Tasks may start tasks, also
// after body has returned.
//
// A panic or a Goexit of body goes on in the goroutine that called Run, when the tasks have
// ended. Run raises what tasks raised and no Wait in body has raised, as [Group.Wait] does.
// If body panicked, the tasks' panics become that panic's Others. After Run, a Go on the
// group panics.
func Run(body func(g *Group)) { RunWith(Options{}, body) }

// RunWith is [Run] with options. It panics if they are not valid, like [New].
func RunWith(opts Options, body func(g *Group)) {
	if body == nil {
		panic("group: nil func")
	}
	g := New(opts)
	if !g.scope(body) {
		panic(new(runtime.PanicNilError))
	}
}

// scope returns when body and every task have ended. It reports whether body has
// returned: if it has not, it has called panic(nil) under GODEBUG=panicnil=1.
func (g *Group) scope(body func(g *Group)) (returned bool) {
	defer func() { g.scheduler.Seal(recover()) }()
	body(g)
	return true
}

// Go starts f as if in a goroutine of its own: f may block for as long as it likes, wait
// for any other task, also for one that is started later, and call Go. It holds up no other
// task. Go blocks only while the group is at its limit. It panics if f is nil, or if the
// group is that of a [Run] that has returned. If all tasks that run have waited in Go for room
// in their own group for a second, Go panics in the oldest of them.
//
// The group's [core.PanicPolicy] decides what becomes of a panic of f. If f calls
// [runtime.Goexit], the task has ended, and Wait calls Goexit too.
//
// One goroutine may run several tasks, one after another. So a task may leave to the next
// what belongs to a goroutine:
//
//   - pprof labels. A new goroutine has those of the caller of Go or, if another of
//     the group's goroutines starts it, of that one; if SetLimit makes the room that
//     a task waits for, of the caller of SetLimit. So if all who call Go and SetLimit
//     have the same labels, all tasks have these, as with a go statement. Where
//     callers with different labels share a group, a task may have those of another
//     caller. Labels that a task sets with pprof.SetGoroutineLabels and does not reset
//     stay for the next (pprof.Do resets them). A group that has a name sets
//     the label "coterie", and no other, afresh for every task.
//   - A [runtime.LockOSThread] without UnlockOSThread, and what other functions set for
//     the goroutine or its thread. docs/guide/goroutines.md has the complete list.
//
// Code that leaves such marks needs [Options.Isolate]. A task must not call Goexit to end its
// thread: Wait would end the goroutine that waits.
//
// In a group without a limit Go costs an uncontended lock, and the end of a short
// task one atomic addition. Now and then a goroutine is started, or takes more tasks.
func (g *Group) Go(f func()) {
	if !g.scheduler.Go(nil, g.task(f)) {
		g.refuse()
	}
}

// TryGo is Go that never blocks: it starts f, or reports false, having done
// nothing, if the group is at its limit or the shared semaphore has no permit free. It panics
// where Go does.
func (g *Group) TryGo(f func()) bool {
	err := g.scheduler.TryGo(nil, g.task(f))
	if err == sched.ErrClosed {
		g.refuse()
	}
	return err == nil
}

// GoContext is Go that waits for room only until ctx is done. It then returns
// [context.Cause] of ctx, and f never runs. It does so too if ctx is done already, even if
// there is room. Otherwise it returns nil.
//
// f gets a context derived from ctx, in which names nest: a task that f starts
// with it in a group named "fetch" is called by the path "ingest/fetch" if this
// group is named "ingest". The task of a named group has the pprof labels of ctx
// and the label "coterie".
//
// If ctx comes from a task of this group, or of an owner that shares its Semaphore, and there
// is no room, f runs on the place of that task, in a goroutine of its own, and GoContext
// returns when f has ended. So recursion under a limit does not deadlock.
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context)) error {
	checkContext(ctx)
	if f == nil {
		panic("group: nil func")
	}
	t := &contextTask{f: f}
	t.Init(ctx, &g.scheduler, nil)
	err := g.scheduler.GoContext(ctx, nil, t)
	if err == sched.ErrClosed {
		g.refuse()
	}
	return err
}

// GoNamed is Go for a task that has a name, which follows the group's, if that has
// one: "ingest/fetch". A [core.StuckError] shows it, and so do profiles if the group
// has a name. To be listed costs a named task, or one of a named group, some
// 100 ns, and the first on a goroutine some microseconds.
func (g *Group) GoNamed(name string, f func()) {
	if f == nil {
		panic("group: nil func")
	}
	if !g.scheduler.Go(nil, g.scheduler.WithPath(name, sched.Func(f))) {
		g.refuse()
	}
}

// Background starts f for the others: a reader of their results, a printer of their progress, a
// cache that they share. f has a goroutine of its own. It counts against no limit, holds no permit of
// a semaphore, and begins also while the group is at its limit. Background does not block.
//
// f gets a context derived from ctx, in which names nest, as with GoContext. When every other
// task has ended, and Wait, WaitContext or the end of Run's body has been reached, that context is
// cancelled, with the cause [core.ErrDone], and Wait or Run waits for f. f should end then. If it
// starts tasks instead, Wait waits for these too. A panic or a Goexit of f is that of a task.
//
// Background panics if ctx or f is nil, or if the group is that of a [Run] that has
// returned. f must not wait for the group.
func (g *Group) Background(ctx context.Context, f func(ctx context.Context)) {
	checkContext(ctx)
	if f == nil {
		panic("group: nil func")
	}
	t := &contextTask{f: f}
	if !g.scheduler.Background(ctx, &t.Context, t) {
		panic("group: Background on " + g.scheduler.Title() + ", which has ended")
	}
}

// Wait blocks until every task has ended, also those that tasks start meanwhile. It
// returns at an instant, within the call, at which there was none. Several
// goroutines may wait at once, and Go may be called meanwhile.
//
// If tasks have panicked, under the policy [core.Propagate], Wait panics with a
// *[core.PanicError]: the first panic, with the others as its Others. If none has
// but some have called runtime.Goexit, so does Wait. Every Wait that is under
// way raises it, and a later one does not. A Wait that is slow to return may find that
// tasks were started again meanwhile, and that other Waits have raised what these did,
// too; it then raises that alone.
//
// A task that waits for its own group would wait for ever. Wait panics in it as soon as somebody
// else waits for the group too; before that it does not look who calls. [Group.WaitContext] with the
// task's context panics at once. A task of another group in between is not found out.
func (g *Group) Wait() { _ = g.scheduler.Wait(nil) }

// WaitContext is Wait that gives up when ctx is done: it then returns a
// *[core.StuckError], which wraps [context.Cause] of ctx and says who is running. The
// tasks run on, and the group can be waited for again. If no task is left it
// returns nil, or raises what tasks raised, even with ctx done. It starts no
// goroutine. Giving up takes some time if named tasks run, whose stacks it reads.
//
// WaitContext panics if ctx is derived from the one that [Group.GoContext] gave to
// a task of this group that runs: that task would wait for itself.
func (g *Group) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	if g.scheduler.Runs(ctx, nil) {
		panic("group: WaitContext on " + g.scheduler.Title() + " within one of its own tasks")
	}
	return g.scheduler.WaitContext(ctx)
}

// SetLimit changes how many tasks may run at once. It may be called at any time:
// tasks that run count, and run on if they are more than n. Raising the limit wakes
// those who are blocked in Go. 0 lets none start; a negative n means no limit.
func (g *Group) SetLimit(n int) { g.scheduler.SetWorkers(unlimited(n)) }

// Running returns the number of tasks that Go has accepted and that have not ended, without
// background tasks.
func (g *Group) Running() int { return g.scheduler.Running() }

// task returns f as a task of the group.
func (g *Group) task(f func()) sched.Task {
	if f == nil {
		panic("group: nil func")
	}
	return g.scheduler.InOwner(sched.Func(f))
}

func (g *Group) refuse() { panic("group: Go on " + g.scheduler.Title() + ", which has ended") }

func checkContext(ctx context.Context) {
	if ctx == nil {
		panic("group: nil context")
	}
}

// A contextTask is a task with a context.
type contextTask struct {
	sched.Context
	f func(ctx context.Context)
}

// Run calls the function.
func (t *contextTask) Run(w *sched.Worker) {
	t.Begin(w)
	defer t.End(w)
	t.f(&t.Context)
	t.Returned()
}

// Fork starts f in g, as [Group.Go] does, and returns its result to come. It blocks
// while g is at its limit, and panics if f is nil. An error that f returns is for
// Get alone. A panic of f is raised by Get and, as that of any task, by g's panic
// policy. A Goexit of f is [core.ErrGoexit] in Get, and Wait calls Goexit.
//
// Fork costs two allocations more than Go, and one for whoever has to wait in Get.
func Fork[T any](g *Group, f func() (T, error)) *core.Future[T] {
	if f == nil {
		panic("group: nil func")
	}
	p := core.NewPromise[T]()
	p.Owned(uint32(g.scheduler.Number()))
	policy := g.policy()
	g.Go(func() { p.Run(policy, f) })
	return p.Future()
}
