package pool

import (
	"context"

	"github.com/coterie-go/coterie/pool/internal/loop"
)

// For calls f for each i of 0..n-1, up to workers calls at once, and blocks until all calls have
// ended. A number of workers less than 1 means GOMAXPROCS. The caller's goroutine is one of the
// workers. The calls are not in the order of the indexes. A call must not wait for another: a
// worker may make several, one after another. For panics if ctx or f is nil, or n is negative.
//
// For cancels the context of f and starts no further call if f returns an error. It returns the
// first error when the running calls have ended. For ends in the same way, with [context.Cause] of
// ctx, if ctx is done before all calls have started. For returns the cause instead if ctx is done
// and f returns an error that wraps the context's Err. A panic or a Goexit of f ends the loop in
// the same way, and then For panics with a *[core.PanicError], or calls Goexit.
//
// An item of another loop, or a task of a [Pool], may run a loop with its own context. That loop
// uses the caller's goroutine and the workers that the outermost loop, or the pool, has free.
//
// All workers except the caller have the pprof labels of ctx. The caller keeps its own labels. In
// [runtime/pprof.Do], with its context, these are the same.
//
// For measures how long calls take. A loop that takes less than some 30 µs starts no goroutine,
// unless the last loop over the same function took much longer. Such a loop costs about a quarter
// of a microsecond more than a plain loop. Calls that block, or are slow, are spread over workers
// at once. A worker takes as many items at a time as are measured to take 8 µs, at most 128; other
// workers do not take these from it, even if one item is slow. No further call starts when ctx
// is done, but a loop that has run for less than some 50 µs notices that only before it takes its
// next items. A call costs about a nanosecond more than a plain call, and no allocation. Workers
// cost nothing until they are used.
func For(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	call := newCall(ctx, workers)
	checkFunc(f == nil)
	checkNumber("count", n)
	return loop.For(call, n, f)
}

// MapSlice calls f for each element of in, up to workers calls at once. It blocks until all calls
// have ended, and returns the results in the order of in. A number of workers less than 1 means
// GOMAXPROCS. MapSlice is [For] with results. See [For] for the order of the calls, panics and
// Goexits, loops within loops and in pools, labels and cost.
//
// MapSlice cancels the context of f and starts no further call if f returns an error. When the
// running calls have ended, it returns the first error, and a slice with the results of the calls
// that succeeded, in their places; the other elements are zero. MapSlice ends in the same way, with
// [context.Cause] of ctx, if ctx is done before all calls have started. It panics if ctx or f is
// nil.
func MapSlice[T, R any](ctx context.Context, workers int, in []T, f func(ctx context.Context, v T) (R, error)) ([]R, error) {
	call := newCall(ctx, workers)
	checkFunc(f == nil)
	return loop.MapSlice(call, in, f)
}
