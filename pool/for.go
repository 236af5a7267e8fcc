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
// once. A worker takes what is measured as 8 µs of work at a time, at most 128
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
	return runFor(ctx, workers, n, f, forBlock)
}

// forBlock is the block of [For]. It runs four items to a turn, because items that take
// a nanosecond take a third more where the turn comes with each.
func forBlock(l *forLoop, lo, hi int) (next int, err error) {
	f, ctx := l.of.(func(ctx context.Context, i int) error), context.Context(&l.ctx)
	i := lo
	for ; hi-i >= 4; i += 4 { // i+4 may be more than an int holds
		if l.look.Load() {
			return i, nil
		}
		if err := f(ctx, i); err != nil {
			return i, err
		}
		if l.look.Load() {
			return i, nil
		}
		if err := f(ctx, i+1); err != nil {
			return i, err
		}
		if l.look.Load() {
			return i, nil
		}
		if err := f(ctx, i+2); err != nil {
			return i, err
		}
		if l.look.Load() {
			return i, nil
		}
		if err := f(ctx, i+3); err != nil {
			return i, err
		}
	}
	for ; i < hi && !l.look.Load(); i++ {
		if err := f(ctx, i); err != nil {
			return i, err
		}
	}
	return i, nil
}

// runFor runs blocks of a loop over 0..n-1 that is over the caller's function of: one
// loop after another, of as many items as fit a span.
func runFor(ctx context.Context, workers, n int, of any, block block) error {
	for base := 0; base < n; {
		part := min(n-base, math.MaxInt32)
		l := &forLoop{of: of, block: block, base: base}
		l.begin(ctx, min(workers, part)-1, workers-1)
		if err := l.run(part); err != nil {
			return err
		}
		base += part
	}
	return nil
}
