package group

import (
	"context"
)

// A Group owns the goroutines that run its tasks.
//
// The zero value is ready for use: unnamed, unlimited, with the panic policy
// [Propagate]. A Group is reusable after Wait. It must not be copied after first
// use; go vet reports it.
type Group struct {
	engine Engine[function]
}

// New returns a group with the given options.
func New(opts Options) *Group {
	if (opts.Panics == Capture) != (opts.OnPanic != nil) {
		panic("group: OnPanic is required by, and only for, the policy Capture")
	}
	g := new(Group)
	g.engine.Init(context.Background(), opts)
	return g
}

// Run is a lexical scope: it calls body with a new group and returns when body
// and every task of the group have ended, however they end. A panic of body goes
// on to Run's caller when the tasks have ended, with their panics, if there are
// any, as its Others. A Go on the group after that panics.
func Run(body func(g *Group)) { RunWith(Options{}, body) }

// RunWith is [Run] with options.
func RunWith(opts Options, body func(g *Group)) {
	if body == nil {
		panic("group: nil func")
	}
	g := New(opts)
	defer func() { g.engine.EndScope(recover()) }()
	body(g)
}

// Go starts f as if in a goroutine of its own: f may block for as long as it
// likes. Go blocks only while the group is at its limit.
func (g *Group) Go(f func()) { g.engine.Go(check(f)) }

// TryGo starts f, or reports false if the group is at its limit.
func (g *Group) TryGo(f func()) bool { return g.engine.TryGo(check(f)) }

// GoContext starts f with a context derived from ctx. It waits for room only
// until ctx is done, and then returns [context.Cause] of ctx, also if ctx was done
// before; f does not run then.
func (g *Group) GoContext(ctx context.Context, f func(ctx context.Context)) error {
	if f == nil {
		panic("group: nil func")
	}
	return g.engine.GoContext(ctx, func(ctx context.Context) function {
		return func() { f(ctx) }
	})
}

// GoNamed is Go for a task that has a name, which follows the group's: "ingest/fetch".
func (g *Group) GoNamed(name string, f func()) { g.engine.GoNamed(name, check(f)) }

// Wait blocks until every task has ended. It raises what a task raised.
func (g *Group) Wait() { g.engine.Wait() }

// WaitContext is Wait that gives up when ctx is done, with a [*StuckError].
func (g *Group) WaitContext(ctx context.Context) error { return g.engine.WaitContext(ctx) }

// SetLimit changes how many tasks may run at once, also while tasks run. 0 lets
// none start; negative means no limit.
func (g *Group) SetLimit(n int) { g.engine.SetLimit(n) }

// Running returns the number of tasks that have been accepted and have not ended.
func (g *Group) Running() int { return g.engine.Running() }

func check(f func()) function {
	if f == nil {
		panic("group: nil func")
	}
	return f
}
