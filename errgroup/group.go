package errgroup

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// A Group owns the goroutines that run its tasks, functions that return errors.
//
// The zero value is ready for use: it has no limit, fails fast, propagates
// panics, and has no context to cancel. A Group may be used again after Wait, except
// that its context stays cancelled and its error stays. It must not be copied
// after first use; go vet reports it.
type Group struct {
	scheduler sched.Scheduler

	ctx    context.Context         // nil in a zero group, as is cancel
	cancel context.CancelCauseFunc // called only by stop, after what causes it was recorded
	own    atomic.Bool             // set before cancel is called, while ctx is not done
	owned  atomic.Bool             // the scheduler knows its owner

	settings *settings                // nil in a zero group
	failures atomic.Pointer[failures] // nil until a task fails
	started  race.Uint64              // how many tasks, for their numbers; only when collecting
}

// settings are what options come to.
type settings struct {
	config    sched.Config
	panics    core.PanicPolicy
	collect   bool
	maxErrors int
	lenient   bool // an error that wraps the context's Err only reports its end
}

var zeroSettings = settings{config: sched.Config{Kind: "errgroup"}, lenient: true}

func (g *Group) options() *settings {
	if g.settings == nil {
		return &zeroSettings
	}
	return g.settings
}

// WithContext returns a new group and a context derived from ctx, which is
// cancelled when a task returns an error, panics or calls Goexit, or else when Wait
// returns.
func WithContext(ctx context.Context) (*Group, context.Context) {
	checkContext(ctx)
	if sched.Path(ctx) == "" {
		return newGroup(ctx, &zeroSettings, 0)
	}
	s := zeroSettings
	return newGroup(ctx, &s, 0)
}

// New is [WithContext] with options. It panics if one is out of range.
func New(ctx context.Context, opts Options) (*Group, context.Context) {
	checkContext(ctx)
	opts.check()
	return newGroup(ctx, &settings{
		config: sched.Config{
			Kind: "errgroup", Name: opts.Name, Semaphore: opts.Semaphore, Isolate: opts.Isolate,
		},
		panics:    opts.Panics,
		collect:   opts.Collect,
		maxErrors: opts.MaxErrors,
		lenient:   !opts.Collect,
	}, opts.Limit)
}

func newGroup(ctx context.Context, s *settings, limit int) (*Group, context.Context) {
	outer := ctx
	if s != &zeroSettings {
		ctx = s.config.Nest(ctx)
	}
	g := &Group{settings: s}
	g.scheduler.Owner = (*owner)(g)
	g.owned.Store(true)
	g.ctx, g.cancel = context.WithCancelCause(g.scheduler.Within(ctx))
	if limit > 0 {
		g.scheduler.Limit(limit, 0)
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

// Go starts f as if in a goroutine of its own: f may block for as long as it
// likes. Go blocks only while the group is at its limit. f runs in any case, also if
// the group's context is done by then, because f may own a clean-up.
//
// See the package comment for errors, panics and Goexit. Go panics if f is nil, or if the
// group is that of a [Run] that has ended. If all tasks that run have waited in Go for room in
// their own group for a second, Go panics in the oldest of them.
//
// A short task costs about a tenth of a go statement, and, in a group that is in use, no
// allocation. What a task can leave to the next on its goroutine is said in
// docs/guide/goroutines.md; [Options.Isolate] prevents it.
func (g *Group) Go(f func() error) {
	if !g.scheduler.Go(nil, g.task(f)) {
		g.refuse()
	}
}

// TryGo is Go if the group is not at its limit, and otherwise reports false. It
// does not block.
func (g *Group) TryGo(f func() error) bool {
	err := g.scheduler.TryGo(nil, g.task(f))
	if err == sched.ErrClosed {
		g.refuse()
	}
	return err == nil
}

// GoContext is Go for a function that takes a context, which is derived from ctx. It
// waits for room only until ctx is done, and then returns [context.Cause] of ctx. It does so
// too if ctx was done before. f does not run then, and that is no error of the
// group. For f to be cancelled with its siblings, ctx has to be the group's context
// or derived from it.
//
// If ctx comes from a task of this group, or of an owner that shares its Semaphore, and there
// is no room, f runs on the place of that task, in a goroutine of its own, and GoContext
// returns when f has ended. So recursion under a limit does not deadlock.
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context) error) error {
	checkContext(ctx)
	checkFunc(f == nil)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.introduce()
	t := &contextTask{f: f, task: task{group: g, number: g.number()}}
	t.Init(ctx, &g.scheduler, nil)
	err := g.scheduler.GoContext(ctx, nil, t)
	if err == sched.ErrClosed {
		g.refuse()
	}
	return err
}

// GoNamed is Go for a task with a name, which follows the group's. An error of f
// becomes a *[TaskError]: "ingest/fetch: connection refused". Stuck reports show the
// name.
func (g *Group) GoNamed(name string, f func() error) {
	checkFunc(f == nil)
	g.introduce()
	t := &task{group: g, number: g.number(), f: f, error: new(TaskError)}
	t.error.Path = g.options().config.Join(name)
	if !g.scheduler.Go(nil, g.scheduler.WithPath(name, t)) {
		g.refuse()
	}
}

// Background starts f for the others: a reader of their results, a printer of their progress, a
// server that they ask. f has a goroutine of its own. It counts against no limit, holds no permit of
// a semaphore, and begins also while the group is at its limit. Background does not block.
//
// f gets a context derived from the group's, or from [context.Background] in a zero group. When
// every other task has ended, and Wait, WaitContext or the end of Run's body has been reached, f's context
// is cancelled, with the cause [core.ErrDone], and Wait or Run waits for f. f should end then. If it
// starts tasks instead, Wait waits for these too.
//
// If f reports that its context is done, that is no error, whatever the cause. Any other error, a
// panic and a Goexit are those of a task. Background panics if f is nil, or if the group is that
// of a [Run] that has ended. f must not wait for the group.
func (g *Group) Background(f func(ctx context.Context) error) {
	checkFunc(f == nil)
	g.introduce()
	ctx := g.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	t := &contextTask{task: task{group: g, number: g.number()}}
	t.f = func(ctx context.Context) error {
		if err := f(ctx); !sched.IsEcho(err, ctx, true) {
			return err
		}
		return nil
	}
	if !g.scheduler.Background(ctx, &t.Context, t) {
		panic("errgroup: Background on " + g.scheduler.Title() + ", which has ended")
	}
}

// SetLimit changes how many tasks may run at once: at any time, also while tasks
// run, which then count. 0 lets none start; a negative n means no limit. Raising the
// limit wakes those who wait in Go. SetLimit does not block.
func (g *Group) SetLimit(n int) {
	if n < 0 {
		n = sched.Unlimited
	}
	g.scheduler.SetWorkers(n)
}

// Wait blocks until every task has ended, cancels the group's context, and returns
// the group's error. If a task panicked or called Goexit, Wait raises that, unless
// it is captured. Several goroutines may wait.
//
// A task must not wait for its own group: Wait panics in it as soon as somebody else waits for
// the group too, and until then waits for ever. [Group.WaitContext] panics at once.
func (g *Group) Wait() error {
	_ = g.scheduler.Wait(nil)
	return g.end()
}

// WaitContext is Wait that gives up when ctx is done. It then returns a
// *[core.StuckError] that says who is still running; the tasks run on, the group's
// context is not cancelled, and WaitContext may be called again. It panics if ctx is
// that of a task of the group, for which it would wait.
func (g *Group) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	if g.scheduler.Runs(ctx, nil) {
		panic("errgroup: WaitContext on " + g.scheduler.Title() + " within one of its own tasks")
	}
	if err := g.scheduler.WaitContext(ctx); err != nil {
		if stuck, ok := err.(*core.StuckError); ok {
			stuck.Kind = "errgroup" // the scheduler of a zero group may not know
		}
		return err
	}
	return g.end()
}

// Cancel cancels the group's context, if it has one, with the given cause, which
// counts as an error of the group as if a task had returned it. A nil cause stands
// for [context.Canceled]. Cancel does not wait for the tasks.
func (g *Group) Cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	g.fail(g.number(), nil, cause)
	if g.options().collect {
		g.stop(cause)
	}
}

func (g *Group) refuse() { panic("errgroup: Go on " + g.scheduler.Title() + ", which has ended") }

// stop cancels the context while tasks may run, if there is one and it is not done.
func (g *Group) stop(cause error) {
	if g.ctx != nil && g.ctx.Err() == nil {
		g.scheduler.Cancelled(cause)
		g.halt(cause)
	}
}

// halt cancels the context, if there is one and it is not done.
func (g *Group) halt(cause error) {
	if g.ctx != nil && g.ctx.Err() == nil {
		g.own.Store(true)
		g.cancel(cause)
	}
}

// end is called when every task has ended.
func (g *Group) end() (err error) {
	if fs := g.failures.Load(); fs != nil {
		err = fs.result(!g.own.Load())
	}
	g.halt(err)
	return err
}

// Run is a lexical scope: it calls body with a new group and its context, and
// returns when body and every task have ended, however they end. It then returns
// what Wait would, where an error of body counts as that of the task that was
// started first. If body panics or calls Goexit the context is cancelled, and that
// goes on to Run's caller when the tasks have ended, with the tasks' panics, if
// there are any, as its Others. A Go on the group after that panics.
func Run(ctx context.Context, body func(ctx context.Context, g *Group) error) error {
	return RunWith(ctx, Options{}, body)
}

// RunWith is [Run] with options.
func RunWith(ctx context.Context, opts Options, body func(ctx context.Context, g *Group) error) error {
	checkFunc(body == nil)
	g, ctx := New(ctx, opts)
	if !g.scope(ctx, body) {
		panic(new(runtime.PanicNilError))
	}
	return g.end()
}

// scope returns when body and every task have ended. It reports whether body has
// returned: if it has not, it has called panic(nil) under GODEBUG=panicnil=1.
func (g *Group) scope(ctx context.Context, body func(ctx context.Context, g *Group) error) (returned bool) {
	defer func() {
		v := recover()
		if !returned {
			g.stop(abortion(v))
		}
		g.scheduler.Seal(v)
	}()
	err := body(ctx, g)
	returned = true
	if err == nil {
		return returned
	}
	if fs := g.failures.Load(); fs == nil || !fs.told(err) {
		g.fail(0, nil, err) // before those of all tasks
	}
	return returned
}

// abortion is the reason for cancelling when body ends with recovered, or, if that
// is nil, by Goexit.
func abortion(recovered any) error {
	if recovered == nil {
		return core.ErrGoexit
	}
	return core.NewPanicError(recovered)
}
