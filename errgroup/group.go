package errgroup

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// A Group owns the goroutines that run its tasks. Its tasks are functions that return errors.
//
// The zero value is ready for use: it has no limit, fails fast, propagates panics, and has no
// context to cancel. Several goroutines may call its methods at once. A Group may be used again
// after Wait, but its context stays cancelled, and its error stays. It must not be copied after
// first use; go vet reports a copy.
type Group struct {
	scheduler sched.Scheduler

	ctx           context.Context         // nil in a zero group
	cancel        context.CancelCauseFunc // nil in a zero group; called after the cause has been recorded
	selfCancelled atomic.Bool             // the group, not the parent, cancelled ctx; set before cancel is called
	hasOwner      race.Uint64             // 1 when scheduler.Owner is set

	settings *settings                // nil in a zero group
	failures atomic.Pointer[failures] // nil until a task fails
	started  race.Uint64              // how many tasks were started, for their numbers; only with Collect
}

// settings hold the options of a group.
type settings struct {
	Options
	config  sched.Config
	lenient bool // an error that wraps the context's Err is a cancellation report
}

var zeroSettings = settings{config: sched.Config{Kind: "errgroup"}, lenient: true}

func (g *Group) options() *settings {
	if g.settings == nil {
		return &zeroSettings
	}
	return g.settings
}

// WithContext returns a new group and its context, which derives from ctx. The context is cancelled
// as soon as a task returns an error, panics or calls Goexit, and at the latest when Wait returns.
// WithContext panics if ctx is nil.
func WithContext(ctx context.Context) (*Group, context.Context) {
	checkContext(ctx)
	if sched.Path(ctx) == "" {
		return newGroup(ctx, &zeroSettings)
	}
	s := zeroSettings
	return newGroup(ctx, &s)
}

// New is [WithContext] with options. It panics if an option is out of range, or if ctx is nil.
func New(ctx context.Context, opts Options) (*Group, context.Context) {
	checkContext(ctx)
	opts.check()
	return newGroup(ctx, &settings{
		Options: opts,
		config: sched.Config{
			Kind: "errgroup", Name: opts.Name, Semaphore: opts.Semaphore, Isolate: opts.Isolate,
		},
		lenient: !opts.Collect,
	})
}

func newGroup(ctx context.Context, s *settings) (*Group, context.Context) {
	outer := ctx
	if s != &zeroSettings {
		ctx = s.config.Nest(ctx)
	}
	g := &Group{settings: s}
	g.scheduler.Owner, g.scheduler.Config = (*owner)(g), &s.config
	g.hasOwner.Store(1)
	g.ctx, g.cancel = context.WithCancelCause(g.scheduler.NestNames(ctx))
	if s.Limit > 0 {
		g.scheduler.Limit(s.Limit, 0)
	}
	g.scheduler.Register(outer)
	return g, g.ctx
}

func checkContext(ctx context.Context) {
	if ctx == nil {
		panic("errgroup: nil context")
	}
}

func checkFunc(isNil bool) {
	if isNil {
		panic("errgroup: nil func")
	}
}

// Go starts f as if in a goroutine of its own: f may block for as long as it likes. Go blocks only
// while the group is at its limit, or its semaphore has no free permit. f runs even if the group's
// context is done, because f may have to clean up.
//
// See the package comment for errors, panics and Goexit. Go panics if f is nil, or if the
// group is that of a [Run] that has ended. If every running task has been blocked in Go of its own
// group for a second, Go panics in the oldest of them.
//
// A short task costs about a tenth of a go statement, and, in a group that is in use, no
// allocation. Tasks may share a goroutine. [docs/guide/goroutines.md] lists what a goroutine can
// carry from one task to the next. [Options.Isolate] prevents it.
//
// [docs/guide/goroutines.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/goroutines.md
func (g *Group) Go(f func() error) {
	if !g.scheduler.Go(nil, g.task(f)) {
		g.refuse()
	}
}

// TryGo is Go, but does not block. TryGo does nothing and reports false if the group is at its
// limit or its semaphore has no free permit. It panics if f is nil, or if the group is that of a
// [Run] that has ended.
func (g *Group) TryGo(f func() error) bool {
	err := g.scheduler.TryGo(nil, g.task(f))
	if err == sched.ErrClosed {
		g.refuse()
	}
	return err == nil
}

// GoContext is Go for a function that takes a context. f gets a context derived from ctx. GoContext
// returns [context.Cause] of ctx if ctx is done at the call or before there is room. Then f does
// not run, and the group has no error from that. f is cancelled with its siblings only if ctx is
// the group's context or derives from it. GoContext panics if ctx or f is nil, or if the group is
// that of a [Run] that has ended.
//
// f runs on the place of the task from which ctx comes, in a goroutine of its own, if there is no
// room and that task belongs to this group or to an owner that shares its Semaphore. GoContext then
// blocks until f has ended. So recursion under a limit does not deadlock.
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context) error) error {
	checkContext(ctx)
	checkFunc(f == nil)
	g.setOwner()
	t := &contextTask{f: f, task: task{group: g, number: g.number()}}
	t.Init(ctx, &g.scheduler, nil)
	err := g.scheduler.GoContext(ctx, nil, t)
	if err == sched.ErrClosed {
		g.refuse()
	}
	return err
}

// GoNamed is Go for a task with a name. The task "fetch" has the path "ingest/fetch" if the group
// is named "ingest". If f returns an error, the task's error is a *[TaskError]: "ingest/fetch:
// connection refused". Stuck reports show the path.
func (g *Group) GoNamed(name string, f func() error) {
	checkFunc(f == nil)
	g.setOwner()
	t := &task{group: g, number: g.number(), f: f, error: new(TaskError)}
	t.error.Path = g.options().config.PathOf(name)
	if !g.scheduler.Go(nil, g.scheduler.WithPath(name, t)) {
		g.refuse()
	}
}

// Background starts f to serve the other tasks: for example to read their results, to print their
// progress, or to answer their requests. f has a goroutine of its own. It does not count against
// the limit, holds no permit of the semaphore, and also starts while the group is at its limit.
// Background does not block.
//
// f gets a context derived from the group's, or from [context.Background] in a zero group. The
// group cancels f's context, with the cause [core.ErrDone], when every other task has ended and a
// goroutine is in Wait or WaitContext or Run's body has ended. f should then end: Wait and Run
// block until it has. They also wait for tasks that f still starts.
//
// The group ignores an error of f that only reports that f's context is done, whatever the cause.
// The group treats any other error, a panic and a Goexit of f as those of a task. Background panics
// if f is nil, or if the group is that of a [Run] that has ended. f must not wait for the group.
func (g *Group) Background(f func(ctx context.Context) error) {
	checkFunc(f == nil)
	g.setOwner()
	ctx := g.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	t := &contextTask{task: task{group: g, number: g.number()}}
	t.f = func(ctx context.Context) error {
		if err := f(ctx); !sched.IsCancellationReport(err, ctx, true) {
			return err
		}
		return nil
	}
	if !g.scheduler.Background(ctx, &t.Context, t) {
		panic("errgroup: Background on " + g.scheduler.Title() + ", which has ended")
	}
}

// SetLimit changes how many tasks may run at once. It may be called at any time. Tasks that were
// accepted before are not affected. Go blocks until fewer than n run. A higher limit wakes
// goroutines that are blocked in Go. If n is 0, no task is accepted, except on the place of the
// task that starts it; see [Group.GoContext]. There is no limit if n is negative. SetLimit does not
// block.
func (g *Group) SetLimit(n int) {
	if n < 0 {
		n = sched.Unlimited
	}
	g.scheduler.SetWorkers(n)
}

// Wait blocks until every task has ended, cancels the group's context, and returns the group's
// error. Wait raises panics and Goexits of tasks, except under [core.Capture]. Several goroutines
// may wait at once.
//
// A task must not wait for its own group: the Wait would never end. Wait panics in such a task as
// soon as another goroutine waits for the group too. Until then it only blocks.
// [Group.WaitContext] with the task's context panics at once.
func (g *Group) Wait() error {
	_ = g.scheduler.Wait(nil)
	return g.end()
}

// WaitContext is Wait, but gives up when ctx is done. Then it returns a *[core.StuckError], which
// lists the named tasks that run. It returns up to 7 ms after ctx is done, so that a task that has
// just ended does not count. The tasks run on, the group's context is not cancelled, and
// WaitContext may be called again. It panics if ctx is nil, or if it derives from the context of a
// task of the group that runs: that task would wait for itself.
func (g *Group) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	if g.scheduler.Runs(ctx, nil) {
		panic("errgroup: WaitContext on " + g.scheduler.Title() + " within one of its own tasks")
	}
	g.setOwner() // its kind is in a StuckError
	if err := g.scheduler.WaitContext(ctx); err != nil {
		return err
	}
	return g.end()
}

// Cancel cancels the group's context, if it has one, with the given cause. The cause is also an
// error of the group, as if a task had returned it. A nil cause means [context.Canceled]. Cancel
// does not wait for the tasks.
func (g *Group) Cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	g.fail(g.number(), nil, cause)
	if g.options().Collect {
		g.stop(cause)
	}
}

func (g *Group) refuse() { panic("errgroup: Go on " + g.scheduler.Title() + ", which has ended") }

// stop cancels the context, if there is one and it is not done, and records that for reports.
func (g *Group) stop(cause error) {
	if g.ctx != nil && g.ctx.Err() == nil {
		g.scheduler.Cancelled(cause)
		g.halt(cause)
	}
}

// halt cancels the context, if there is one and it is not done.
func (g *Group) halt(cause error) {
	if g.ctx != nil && g.ctx.Err() == nil {
		g.selfCancelled.Store(true)
		g.cancel(cause)
	}
}

// end cancels the context after every task has ended, and returns the group's error.
func (g *Group) end() (err error) {
	if fs := g.failures.Load(); fs != nil {
		err = fs.result(!g.selfCancelled.Load())
	}
	g.halt(err)
	return err
}

// Run is a lexical scope: it calls body with a new group and its context, and blocks until body and
// every task have ended. They may return, panic or call [runtime.Goexit]. Run returns the group's
// error, as Wait does. An error of body counts as the error of the task that was started first. A
// panic or a Goexit of body cancels the context, and Run raises it when the tasks have ended. The
// tasks' panics are the Others of body's panic if body and tasks panic. A Go on the group after Run
// panics.
func Run(ctx context.Context, body func(ctx context.Context, g *Group) error) error {
	return RunWith(ctx, Options{}, body)
}

// RunWith is [Run] with options. It panics if an option is out of range, or if ctx or body is nil.
func RunWith(ctx context.Context, opts Options, body func(ctx context.Context, g *Group) error) error {
	checkFunc(body == nil)
	g, ctx := New(ctx, opts)
	if !g.scope(ctx, body) {
		panic(new(runtime.PanicNilError))
	}
	return g.end()
}

// scope calls body, and returns when body and every task have ended. It reports whether body has
// returned. If not, body has called panic(nil) under GODEBUG=panicnil=1.
func (g *Group) scope(ctx context.Context, body func(ctx context.Context, g *Group) error) (returned bool) {
	defer func() {
		v := recover()
		if !returned {
			g.stop(abortCause(v))
		}
		g.scheduler.CloseScope(v)
	}()
	err := body(ctx, g)
	if fs := g.failures.Load(); err != nil && (fs == nil || !fs.isLastResult(err)) {
		g.fail(0, nil, err) // 0: it comes before the errors of all tasks
	}
	return true
}

// abortCause returns the cause for the context if body has panicked with recovered, or, if
// recovered is nil, has called Goexit.
func abortCause(recovered any) error {
	if recovered == nil {
		return core.ErrGoexit
	}
	return core.NewPanicError(recovered)
}
