package pool

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A loop is one call of For, Each, Map or one of their kin: it owns the context
// that the items are given and the goroutines that run them.
type loop struct {
	parent context.Context
	ctx    context.Context
	cancel context.CancelCauseFunc
	crew   group.Group

	mu     sync.Mutex
	failed outcome // the first failure; guarded by mu
}

// An outcome is how an item ended, apart from its result.
type outcome struct {
	err      error
	panicked *core.PanicError
	goexit   bool
}

func (o outcome) ok() bool { return o.err == nil && o.panicked == nil && !o.goexit }

// raise panics if the item did, or calls Goexit if it did, or returns its error.
func (o outcome) raise() error {
	if o.panicked != nil {
		panic(o.panicked)
	}
	if o.goexit {
		runtime.Goexit()
	}
	return o.err
}

// abort records a panic, or a Goexit if p is nil.
func (o *outcome) abort(p *core.PanicError) { o.panicked, o.goexit = p, p == nil }

func newLoop(ctx context.Context) *loop {
	l := &loop{parent: ctx}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return l
}

// start runs f in a goroutine of the crew. A panic or a Goexit of f fails the
// loop.
func (l *loop) start(f func()) {
	l.crew.Go(func() {
		core.Call(f, func(p *core.PanicError) { l.fail(outcome{panicked: p, goexit: p == nil}) })
	})
}

// fail keeps the first failure and cancels the items that run.
func (l *loop) fail(o outcome) {
	if err := l.parent.Err(); err != nil && errors.Is(o.err, err) {
		o.err = context.Cause(l.parent)
	}
	l.mu.Lock()
	if l.failed.ok() {
		l.failed = o
	}
	l.mu.Unlock()
	l.cancel(o.err)
}

// join cancels what still runs, and returns when every goroutine of the crew has
// ended. It raises a panic or a Goexit of an item, and otherwise returns the first
// error.
func (l *loop) join() error {
	defer func() {
		if l.failed.panicked != nil {
			panic(l.failed.panicked)
		}
	}()
	l.crew.Wait()
	return l.failed.raise()
}

// checkLoop panics for a nil context and returns how many workers to use.
func checkLoop(ctx context.Context, workers int) int {
	if ctx == nil {
		panic("pool: nil context")
	}
	if workers < 1 {
		return runtime.GOMAXPROCS(0)
	}
	return workers
}
