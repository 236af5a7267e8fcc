package group

import (
	"context"
	"runtime"
)

// A Group owns the goroutines that run its tasks.
//
// The zero value is ready for use: unnamed, unlimited, with the panic policy
// [Propagate]. Its methods may be called by several goroutines at once, also by
// its own tasks, except that a task must not wait for its own group. A Group is
// reusable after Wait, and nothing of one round is left for the next. It must not
// be copied after first use; go vet reports it.
//
// In the terminology of [the Go memory model], a call of Go "synchronizes before"
// the task that it starts, and the end of a task before the return of any Wait
// that covers it. Two tasks are not ordered, also where a limit lets one start
// only when the other has ended, and in builds with -race a race between them is
// reported.
//
// [the Go memory model]: https://go.dev/ref/mem
type Group struct {
	engine Engine[function]
}

// New returns a group with the given options. It panics if they are not valid: a
// negative Limit, an unknown policy, or OnPanic without the policy [Capture], which
// requires it.
func New(opts Options) *Group {
	if (opts.Panics == Capture) != (opts.OnPanic != nil) {
		panic("group: OnPanic is required by, and only for, the policy Capture")
	}
	g := new(Group)
	g.engine.Init(context.Background(), &opts)
	return g
}

// Run is a lexical scope: it calls body with a new group and returns when body and
// every task of the group have ended, however they end. Tasks may start tasks also
// after body has returned.
//
// A panic or a Goexit of body goes on, when the tasks have ended, in the goroutine
// that called Run. What tasks raise, and what no Wait in body has raised, is raised
// by Run, as by [Group.Wait]; if body has panicked, the tasks' panics become
// that panic's Others. After Run, a Go on the group panics, with the group's name.
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
	defer func() { g.engine.EndScope(recover()) }()
	body(g)
	return true
}

// Go starts f as if in a goroutine of its own: f may block for as long as it
// likes, wait for any other task, also one that is started later, and call Go; no
// other task is held up by it. Go blocks only while the group is at its limit. It
// panics if f is nil, or if the group is that of a [Run] that has returned.
//
// What becomes of a panic of f says the group's [PanicPolicy]. If f calls
// [runtime.Goexit], the task has ended, and Wait calls it too.
//
// One goroutine may run several tasks, one after another. So it may carry over what
// belongs to a goroutine and not to a task:
//
//   - pprof labels. A new goroutine has those of the caller of Go or, if another of
//     the group's goroutines starts it, of that one; if SetLimit makes the room that
//     a task waits for, of the caller of SetLimit. So if all who call Go and SetLimit
//     have the same labels, all tasks have these, as with a go statement; but where
//     callers with different labels share a group, a task may have those of another
//     caller.
//     Labels that a task sets with pprof.SetGoroutineLabels and does not reset
//     stay for the next (pprof.Do resets them). A group that has a name sets
//     the label "coterie", and no other, afresh for every task.
//   - A [runtime.LockOSThread] without UnlockOSThread. The tasks that follow run
//     locked to that thread, and the thread does not end with the task. A task that
//     must end its thread ends with runtime.Goexit.
//
// A Go on a group that has no limit costs two uncontended lock operations, and the
// end of a short task one atomic addition; now and then a goroutine is started, or
// comes for more tasks, which takes the lock, too.
func (g *Group) Go(f func()) {
	if t := check(f); g.engine.Start(t) {
		go func() { g.engine.Serve(t) }()
	}
}

// TryGo is Go that never blocks: it starts f, or reports false, having done
// nothing, if the group is at its limit or the shared semaphore has no permit free.
func (g *Group) TryGo(f func()) bool { return g.engine.TryGo(check(f)) }

// GoContext is Go that waits for room only until ctx is done. It then returns
// [context.Cause] of ctx, as it does if ctx is done already, even if there is room,
// and f never runs. Otherwise it returns nil.
//
// f gets a context derived from ctx, in which names nest: a task that f starts
// with it in a group named "fetch" is called by the path "ingest/fetch" if this
// group is named "ingest". The task of a named group has the pprof labels of ctx
// and the label "coterie".
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context)) error {
	if f == nil {
		panic("group: nil func")
	}
	return g.engine.GoContext(ctx, func(ctx context.Context) function {
		return func() { f(ctx) }
	})
}

// GoNamed is Go for a task that has a name, which follows the group's, if that has
// one: "ingest/fetch". It is shown by a [StuckError], and in profiles if the group
// has a name. To be listed costs a named task, or one of a named group, some
// 100 ns, and the first on a goroutine some microseconds.
func (g *Group) GoNamed(name string, f func()) { g.engine.GoNamed(name, check(f)) }

// Wait blocks until every task has ended, also those that tasks start meanwhile. It
// returns at an instant, within the call, at which there was none. Several
// goroutines may wait at once, and Go may be called meanwhile.
//
// If tasks have panicked, under the policy [Propagate], Wait panics with a
// *[core.PanicError]: the first panic, with the others as its Others. If none has
// but some have called runtime.Goexit, so does Wait. Every Wait that is under
// way raises it, and a later one does not. One that is slow to return may find that
// tasks were started again meanwhile and other Waits have raised what these did,
// too; it then raises that alone.
//
// A task that waits for its own group waits for ever: Wait has no way to tell who
// calls it. [Group.WaitContext] has.
func (g *Group) Wait() { g.engine.Wait() }

// WaitContext is Wait that gives up when ctx is done: it then returns a
// *[StuckError], which wraps [context.Cause] of ctx and says who is running. The
// tasks run on, and the group can be waited for again. If no task is left it
// returns nil, or raises what tasks raised, even with ctx done. It starts no
// goroutine; giving up takes some time if named tasks run, whose stacks it reads.
//
// WaitContext panics if ctx is derived from the one that [Group.GoContext] gave to
// a task of this group that runs: that task would wait for itself.
func (g *Group) WaitContext(ctx context.Context) error { return g.engine.WaitContext(ctx) }

// SetLimit changes how many tasks may run at once. It may be called at any time:
// tasks that run count, and run on if they are more than n. Raising the limit wakes
// those who are blocked in Go. 0 lets none start; negative means no limit.
func (g *Group) SetLimit(n int) { g.engine.SetLimit(n) }

// Running returns the number of tasks that Go has accepted and that have not ended.
func (g *Group) Running() int { return g.engine.Running() }

func check(f func()) function {
	if f == nil {
		panic("group: nil func")
	}
	return f
}
