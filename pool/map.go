package pool

import (
	"context"
	"iter"
)

// Map calls f for each item of seq, up to workers of them at once, and yields the
// results in the order of seq, each as soon as it and those before it are there.
// workers < 1 stands for GOMAXPROCS. Nothing happens before the range loop, and each
// range loop runs seq anew. An item must not wait for one after it: a worker runs
// several.
//
// Leaving the range loop in any way cancels the context that f is given and stops
// seq, and the next statement runs when all calls, and seq with its deferred calls,
// have ended. An error from f is yielded, with the value that came with it, after
// the results of the items before, and ends the sequence; by then the calls for
// items after it have been cancelled and have ended. If ctx is done, the same
// becomes of [context.Cause] of ctx, at once, with a zero value. A panic of f or of
// seq is raised in the range loop in the place of the result, as a
// *[core.PanicError]; so is a Goexit.
//
// seq runs in one goroutine, not that of the caller, ahead of the range loop: at
// most 4 items for each worker are in flight, from their pull until the range loop
// asks for more than their result. As long as items are measured to be quick it
// is up to 1024, or what is measured to take a millisecond, so that handing them
// over costs little: some 20 ns, and no allocation, for an item that takes no time.
// A call of seq that blocks holds up nothing but the end of the loop.
//
// Within an item of another loop, or a task of a [Pool], and with the context given
// there, the loop uses the caller's goroutine and the workers that the outermost
// loop, or the pool, has free. The caller runs items itself when there is no result
// to be yielded. seq is a coroutine then, which any of them may resume: neither the
// caller nor an item may leave its goroutine locked to a thread, with
// [runtime.LockOSThread], or the runtime ends the process. An item costs some 200 ns.
// Others than the caller stay with the loop as long as there is room for a further
// item, also while a call of seq blocks. So the body of the range loop may wait for
// tasks of the pool in the ways that [Pool] has for any task.
func Map[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapSeq(ctx, workers, seq, f, true)
}

// MapUnordered calls f for each item of seq, up to workers of them at once, and
// yields the results as the calls finish. Apart from the order it is [Map]. An error
// from f, or a panic, comes after the results of the calls that had finished before
// it, and cancels all others at once.
func MapUnordered[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapSeq(ctx, workers, seq, f, false)
}
