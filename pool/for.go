package pool

import (
	"context"
	"fmt"
	"math"
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
	if n > math.MaxInt32 {
		return forHuge(ctx, workers, n, f)
	}
	if n == 0 {
		return nil
	}
	l := &forLoop{f: f}
	l.begin(ctx, min(workers, n)-1, workers-1)
	return l.run(n)
}

// forHuge is For in parts whose indexes fit a span.
func forHuge(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	for first := 0; first < n; {
		part := min(n-first, math.MaxInt32)
		err := For(ctx, workers, part, func(ctx context.Context, i int) error { return f(ctx, first+i) })
		if err != nil {
			return err
		}
		first += part
	}
	return nil
}
