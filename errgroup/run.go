package errgroup

import (
	"context"
	"runtime"

	"github.com/coterie-go/coterie/core"
)

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
		g.engine.EndScope(v)
	}()
	err := body(ctx, g)
	returned = true
	if err == nil {
		return returned
	}
	if fs := g.failures.Load(); fs == nil || !fs.told(err) {
		g.fail(&g.mark, err) // before those of all tasks
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
