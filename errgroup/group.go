// Package errgroup is [golang.org/x/sync/errgroup] on the engine of
// [github.com/coterie-go/coterie/group]: groups of tasks that return errors and
// that are cancelled together. A program that uses the former need only change
// the import.
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
//  3. An error that only reports that the group's context is done is not worth
//     telling beside the reason for it. Wait returns it if there is no other.
//  4. Where the context is done because its parent is, that is not the group's
//     doing: Wait returns what a task failed of besides, combined with the
//     parent's reason.
//  5. [Group.Cancel] counts as an error of the group.
//
// When does an error only report that the group's context is done? If the context
// is done by then, and the error is what its Err returns, or is or wraps its
// [context.Cause]. Of a joined error each part must be so. An error that wraps
// context.Canceled, as in "fetch a: context canceled", could come of any context,
// and is kept when collecting. When failing fast it gives way if, after the parent
// was cancelled, another task fails of what cannot be the cancellation. While the
// group's context is not done, every error is real, also context.Canceled itself.
package errgroup

import (
	"context"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
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

	panics   group.PanicPolicy
	collect  bool
	wide     bool                     // see isEcho; set if ctx is
	failures atomic.Pointer[failures] // nil until a task fails, unless collect
	shared   failure                  // of all tasks that need none of their own
	sharing  atomic.Bool              // shared says whose it is, in a zero Group; New sees to it in others
}

// WithContext returns a new group and a context derived from ctx, which is
// cancelled when a task returns an error or panics, or else when Wait returns.
func WithContext(ctx context.Context) (*Group, context.Context) {
	return New(ctx, Options{})
}

// New returns a new group with options and, as [WithContext] does, its context.
func New(ctx context.Context, opts Options) (*Group, context.Context) {
	if ctx == nil {
		panic("errgroup: nil context")
	}
	opts.check()
	g := &Group{panics: opts.Panics, collect: opts.Collect, wide: !opts.Collect}
	if opts.Collect {
		g.failures.Store(&failures{most: opts.MaxErrors})
	}
	g.shared.group.Store(g)
	g.engine.Init(ctx, group.Options{
		Name:      opts.Name,
		Limit:     opts.Limit,
		Semaphore: opts.Semaphore,
		Panics:    opts.Panics,
	})
	g.ctx, g.cancel = context.WithCancelCause(g.engine.Scope(ctx))
	return g, g.ctx
}

// Go starts f as if in a goroutine of its own: f may block for as long as it
// likes. Go blocks only while the group is at its limit, and f runs in any case,
// also if the group's context is done by then, because f may own a clean-up.
func (g *Group) Go(f func() error) { g.engine.Go(g.task(f)) }

// TryGo starts f, or reports false if the group is at its limit.
func (g *Group) TryGo(f func() error) bool { return g.engine.TryGo(g.task(f)) }

// GoContext starts f with a context derived from ctx. It waits for room only
// until ctx is done, and then returns [context.Cause] of ctx, also if ctx was done
// before; f does not run then. That is no error of the group. For f to be
// cancelled with its siblings, ctx has to be the group's context or derived from
// it.
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context) error) error {
	if ctx == nil {
		panic("errgroup: nil context")
	}
	if f == nil {
		panic("errgroup: nil func")
	}
	return g.engine.GoContext(ctx, func(ctx context.Context) task {
		return g.task(func() error { return f(ctx) })
	})
}

// GoNamed is Go for a task that has a name, which follows the group's. An error of
// f becomes a *[TaskError]: "ingest/fetch: connection refused".
func (g *Group) GoNamed(name string, f func() error) {
	t := g.task(f)
	if !g.collect {
		t.failure = g.newFailure()
	}
	t.failure.named = &TaskError{Path: joinPath(g.engine.Path(), name)}
	g.engine.GoNamed(name, t)
}

// SetLimit changes how many tasks may run at once: at any time, also while tasks
// run, which then count. 0 lets none start; negative means no limit. Raising the
// limit wakes those who wait in Go.
func (g *Group) SetLimit(n int) { g.engine.SetLimit(n) }

// Wait blocks until every task has ended, cancels the group's context, and returns
// the group's error, for which see the package's comment. If a task panicked or
// called Goexit, Wait raises that, according to the group's panic policy.
func (g *Group) Wait() error {
	g.engine.Wait()
	return g.end()
}

// WaitContext is Wait that gives up when ctx is done. It then returns a
// *[group.StuckError], and neither the tasks nor the group's context are touched.
func (g *Group) WaitContext(ctx context.Context) error {
	if ctx == nil {
		panic("errgroup: nil context")
	}
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
	g.fail(g.failure(), cause)
	if g.collect {
		g.stop(cause)
	}
}

func (g *Group) task(f func() error) task {
	if f == nil {
		panic("errgroup: nil func")
	}
	return task{f, g.failure()}
}

// failure returns what a task without a name may fail with.
func (g *Group) failure() *failure {
	if g.collect {
		return g.newFailure()
	}
	if g.ctx == nil {
		core.RaceDisable() // else starting tasks would order those that start them
		if !g.sharing.Load() {
			g.shared.group.Store(g)
			g.sharing.Store(true)
		}
		core.RaceEnable()
	}
	return &g.shared
}

func (g *Group) newFailure() *failure {
	f := new(failure)
	f.group.Store(g)
	if g.collect {
		core.RaceDisable() // as above
		f.number = g.failures.Load().tasks.Add(1)
		core.RaceEnable()
	}
	return f
}

// fail records an error, and then cancels the context if that is the rule.
func (g *Group) fail(f *failure, err error) {
	done := g.ctx != nil && g.ctx.Err() != nil
	echo := done && isEcho(err, g.ctx, g.wide)
	if f.named != nil {
		f.named.Err = err
		err = f.named
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
	if done && !g.own.Load() {
		setFirst(&fs.echo, context.Cause(g.ctx)) // the parent's
	}
	if g.collect {
		f.err = err
		fs.collect(f)
		return
	}
	setFirst(&fs.kept, err)
	g.stop(fs.kept.Load().err) // the first's, whoever gets here first
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
