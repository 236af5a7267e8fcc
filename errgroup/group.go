// Package errgroup is [golang.org/x/sync/errgroup] on the engine of
// [github.com/coterie-go/coterie/group]: it owns goroutines that work on parts of
// one thing, can fail, and are cancelled together. A program that uses x/sync's
// need only change the import; docs/errgroup-differences.md has the differences.
//
//	g, ctx := errgroup.WithContext(ctx)
//	for _, url := range urls {
//		g.Go(func() error { return fetch(ctx, url) })
//	}
//	return g.Wait()
//
// [Run] does the same within a function body that no task outlives. Where each task
// has a result, [Gather], [All2] and [All3] return them, [Race] returns the first and
// [Quorum] the first few; [Fork] starts one task whose result is to come.
//
// # Which error Wait returns
//
//  1. A group fails fast unless told to collect: the first error cancels the
//     group's context, with itself as the cause, and is what Wait returns,
//     unchanged. It is recorded before the context is cancelled, so it is never
//     one that the cancellation brought about.
//  2. With Options.Collect an error cancels nothing, and Wait returns all of them,
//     combined by [go.uber.org/multierr] in the order in which the tasks were
//     started.
//  3. An error that only reports that the group's context is done is not told
//     beside the reason for that. Wait returns it if there is no other.
//  4. If it is the parent that cancelled the context, Wait returns both: what a
//     task failed of, and the parent's reason.
//  5. [Group.Cancel] counts as an error of the group.
//
// An error only reports that the group's context is done if that is done, and the
// error is what the context's Err returns, or is or wraps its [context.Cause]; of a
// joined error, each part. Before the context is done every error is real, also a
// plain context.Canceled.
//
// An error that wraps context.Canceled, as in "fetch a: context canceled", could be
// of any context, and once the group's own is done nothing tells whose it is. Such
// an error is never lost for that: collecting, it is kept; failing fast after the
// parent was cancelled, it takes the place of the parent's reason, and a failure of
// another kind shows before it.
//
// # Panics
//
// Under [group.Propagate], the default, a panic cancels the context at once, and
// Wait raises it when all tasks have ended. A Goexit, as by t.FailNow, does the
// same: it is no success. Under [group.Crash] a panic ends the process from where it
// happened. Under [group.Capture] a panic is an error of its task, a
// *[core.PanicError], and a Goexit is [core.ErrGoexit].
package errgroup

import (
	"context"
	"sync/atomic"

	"github.com/coterie-go/coterie/group"
)

// A Group owns the goroutines that run its tasks, functions that return errors.
//
// The zero value is ready for use: it has no limit, fails fast, propagates
// panics, and has no context to cancel. A Group is reusable after Wait, except
// that its context stays cancelled and its error stays. It must not be copied
// after first use; go vet reports it.
type Group struct {
	engine group.Engine[task]

	ctx    context.Context         // nil in a zero Group, as is cancel
	cancel context.CancelCauseFunc // only by stop, after what causes it was recorded
	own    atomic.Bool             // set before cancel is called, while ctx is not done

	panics   uint8 // a group.PanicPolicy
	collect  bool
	wide     bool                     // see isEcho; a zero Group needs none
	mark     mark                     // of all tasks that need none of their own
	failures atomic.Pointer[failures] // nil until a task fails, unless collect
}

// WithContext returns a new group and a context derived from ctx, which is
// cancelled when a task returns an error, panics or calls Goexit, or else when Wait
// returns.
func WithContext(ctx context.Context) (*Group, context.Context) {
	checkContext(ctx)
	g := &Group{wide: true}
	g.engine.Init(ctx, nil)
	g.begin(ctx)
	return g, g.ctx
}

// New is [WithContext] with options. It panics if one is out of range.
func New(ctx context.Context, opts Options) (*Group, context.Context) {
	checkContext(ctx)
	opts.check()
	g := &Group{panics: uint8(opts.Panics), collect: opts.Collect, wide: !opts.Collect}
	if opts.Collect {
		g.failures.Store(&failures{kept: kept{most: opts.MaxErrors}})
	}
	g.engine.Init(ctx, &group.Options{
		Name:      opts.Name,
		Limit:     opts.Limit,
		Semaphore: opts.Semaphore,
		Panics:    opts.Panics,
	})
	g.begin(ctx)
	return g, g.ctx
}

func (g *Group) begin(ctx context.Context) {
	if g.engine.Path() != "" {
		ctx = g.engine.Scope(ctx)
	}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
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
// What becomes of f's error, panic or Goexit is said in the package's comment. Go
// panics if f is nil, or if the group is that of a [Run] that has ended.
//
// A short task costs about a tenth of a go statement, and, in a group that is in use, no
// allocation.
func (g *Group) Go(f func() error) {
	checkFunc(f == nil)
	if t := (task{f, g.newMark()}); g.engine.Start(t) {
		go t.serve()
	}
}

// TryGo is Go if the group is not at its limit, and otherwise reports false. It
// does not block.
func (g *Group) TryGo(f func() error) bool { return g.engine.TryGo(g.task(f)) }

// GoContext is Go for a function that takes a context, which is derived from ctx. It
// waits for room only until ctx is done, and then returns [context.Cause] of ctx,
// also if ctx was done before; f does not run then, and that is no error of the
// group. For f to be cancelled with its siblings, ctx has to be the group's context
// or derived from it.
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context) error) error {
	checkContext(ctx)
	checkFunc(f == nil)
	return g.engine.GoContext(ctx, func(ctx context.Context) task {
		return g.task(func() error { return f(ctx) })
	})
}

// GoNamed is Go for a task with a name, which follows the group's. An error of f
// becomes a *[TaskError]: "ingest/fetch: connection refused". Stuck reports show the
// name.
func (g *Group) GoNamed(name string, f func() error) {
	checkFunc(f == nil)
	g.engine.GoNamed(name, task{f, g.newNamedMark(&TaskError{Path: joinPath(g.engine.Path(), name)})})
}

// SetLimit changes how many tasks may run at once: at any time, also while tasks
// run, which then count. 0 lets none start; negative means no limit. Raising the
// limit wakes those who wait in Go. SetLimit does not block.
func (g *Group) SetLimit(n int) { g.engine.SetLimit(n) }

// Wait blocks until every task has ended, cancels the group's context, and returns
// the group's error. If a task panicked or called Goexit, Wait raises that, unless
// it is captured. Several goroutines may wait.
func (g *Group) Wait() error {
	g.engine.Wait()
	return g.end()
}

// WaitContext is Wait that gives up when ctx is done. It then returns a
// *[group.StuckError] that says who is still running; the tasks run on, the group's
// context is not cancelled, and WaitContext may be called again. It panics if ctx is
// that of a task of the group, for which it would wait.
func (g *Group) WaitContext(ctx context.Context) error {
	checkContext(ctx)
	if err := g.engine.WaitContext(ctx); err != nil {
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
	g.failOutside(cause)
	if g.collect {
		g.stop(cause)
	}
}

func (g *Group) task(f func() error) task {
	checkFunc(f == nil)
	return task{f, g.newMark()}
}

// newMark returns the mark of a task without a name.
func (g *Group) newMark() *mark {
	if g.collect {
		return g.failures.Load().mark(g)
	}
	return &g.mark
}

// newNamedMark returns the mark of a task whose error is to be held by err.
func (g *Group) newNamedMark(err *TaskError) *mark {
	if !g.collect {
		n := &named{group: g, error: err}
		n.mark.kind.Store(inNamed)
		return &n.mark
	}
	m := g.newMark()
	b, i := m.block()
	b.errs[i] = err
	return m
}

// failOutside is fail for an error that is not of a task, but takes its place among
// those of tasks.
func (g *Group) failOutside(err error) {
	m := &g.mark
	if g.collect {
		m = g.failures.Load().loneMark(g)
	}
	g.fail(m, err)
}

// fail records the error of the task that has m, and then cancels the context if
// that is the rule. With g.mark it is not of a task, and comes before those of tasks.
func (g *Group) fail(m *mark, err error) {
	done := g.ctx != nil && g.ctx.Err() != nil
	echo := done && isEcho(err, g.ctx, g.wide)
	if named := m.taskError(); named != nil {
		named.Err = err
		err = named
	}
	fs := g.failures.Load()
	if fs == nil {
		g.failures.CompareAndSwap(nil, new(failures))
		fs = g.failures.Load()
	}
	if echo {
		setFirst(&fs.echo, err)
		return
	}
	if done {
		setFirst(&fs.echo, context.Cause(g.ctx)) // to be told if it is the parent's
	}
	if g.collect {
		fs.collect(m, err)
		return
	}
	setFirst(&fs.first, err)
	g.stop(*fs.first.Load()) // the first's, whoever gets here first
}

// stop cancels the context, if there is one and it is not done.
func (g *Group) stop(cause error) {
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
	g.stop(err)
	return err
}

func joinPath(parent, name string) string {
	if parent == "" || name == "" {
		return parent + name
	}
	return parent + "/" + name
}
