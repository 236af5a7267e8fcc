package pool

import (
	"context"
	"fmt"
	"math"
)

// For calls f for each i of 0..n-1, up to workers of them at once, and returns when
// all calls have ended. workers < 1 stands for GOMAXPROCS. The caller's goroutine is
// one of the workers. Items do not run in the order of their indexes, and an item
// must not wait for another: a worker runs several.
//
// An error from f cancels the context that f is given. No further item starts, and
// For returns the first error when those that run have ended. If ctx is done before
// every item has started, For does the same with [context.Cause] of ctx, which also
// takes the place of an item's error that only tells of that. A panic of f ends the
// loop in the same way and is raised here, as a *[core.PanicError]; so does a
// Goexit of f, which is repeated here.
//
// Within an item of another loop, or a task of a [Pool], and with the context given
// there, the loop uses the caller's goroutine and the workers that the outermost
// loop, or the pool, has free.
//
// For measures. A loop of less than some 30 µs starts no goroutine, unless one over
// the same function has just been much longer, and costs about a quarter of a
// microsecond more than a plain one; items that block, or are slow, are spread at
// once. A worker takes what is measured as 4 µs of work at a time, at most 128
// items, which are left to it should one of them prove slow. When ctx ends no
// further item starts; a loop that has lasted less than some 50 µs notices that only
// before it takes the next. An item costs about a nanosecond and no allocation.
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
