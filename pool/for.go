package pool

import (
	"context"
	"fmt"
	"sync/atomic"
)

// For calls f for each i of 0..n-1, up to workers of them at once, and returns
// when all calls have ended. workers < 1 stands for GOMAXPROCS.
//
// An error from f cancels the context that f is given, no further item starts,
// and For returns the first error when those that run have ended. If ctx is done
// before every item has started, For returns [context.Cause] of it. A panic of f
// is raised here as a *[core.PanicError], and a Goexit of f ends the caller.
func For(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	workers = checkLoop(ctx, workers)
	if f == nil {
		panic("pool: nil func")
	}
	if n < 0 {
		panic(fmt.Sprintf("pool: negative count, got %d", n))
	}
	l := newLoop(ctx)
	defer l.cancel(nil)
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			if l.ctx.Err() != nil {
				l.fail(outcome{err: context.Cause(ctx)})
				return
			}
			if err := f(l.ctx, i); err != nil {
				l.fail(outcome{err: err})
				return
			}
		}
	}
	for range min(workers, n) {
		l.start(work)
	}
	return l.join()
}
