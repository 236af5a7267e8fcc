package pool

import (
	"context"
	"fmt"

	"github.com/coterie-go/coterie/pool/internal/loop"
)

// For calls f for each i of 0..n-1, up to workers of them at once, and returns when
// all calls have ended. workers < 1 stands for GOMAXPROCS. The caller's goroutine is
// one of the workers. Items do not run in the order of their indexes, and an item
// must not wait for another: a worker runs several.
//
// An error from f cancels the context that f is given. No further item starts, and
// For returns the first error when those that run have ended. If ctx is done before
// every item has started, For does the same with [context.Cause] of ctx, which also
// replaces an item's error that only reports the end of ctx. A panic of f ends the
// loop in the same way and is raised here, as a *[core.PanicError]; so does a
// Goexit of f, which is repeated here.
//
// Within an item of another loop, or a task of a [Pool], and with the context given
// there, the loop uses the caller's goroutine and the workers that the outermost
// loop, or the pool, has free.
//
// All workers but the caller carry the profiler labels of ctx. The caller keeps its
// own; within [runtime/pprof.Do], with the context given there, they are the same.
//
// For measures. A loop of less than some 30 µs starts no goroutine, unless one over
// the same function has just been much longer, and costs about a quarter of a
// microsecond more than a plain one. Items that block, or are slow, are spread at
// once. A worker takes what is measured as 8 µs of work at a time, at most 128
// items, which are left to it if one of them proves slow. When ctx ends no
// further item starts; a loop that has lasted less than some 50 µs notices that only
// before it takes the next. An item costs about a nanosecond and no allocation, and
// workers cost nothing until they are used.
func For(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	call := newCall(ctx, workers)
	checkFunc(f == nil)
	if n < 0 {
		panic(fmt.Sprintf("pool: negative count, got %d", n))
	}
	return loop.For(call, n, f)
}

// MapSlice calls f for each element of in, up to workers of them at once, and
// returns the results in the order of in when all calls have ended. workers < 1
// stands for GOMAXPROCS. It is [For] with results. See there for the order of the
// calls, panics and Goexits, loops within loops and in pools, labels and cost.
//
// An error from f cancels the context that f is given. No further item starts, and
// MapSlice returns the first error when those that run have ended, and beside it
// the results, in their place, of the items that succeeded; the other elements are
// zero. If ctx is done before every item has started, MapSlice does the same with
// [context.Cause] of ctx.
func MapSlice[T, R any](ctx context.Context, workers int, in []T, f func(ctx context.Context, v T) (R, error)) ([]R, error) {
	call := newCall(ctx, workers)
	checkFunc(f == nil)
	return loop.MapSlice(call, in, f)
}
