package pool

import (
	"context"
	"iter"

	"github.com/coterie-go/coterie/pool/internal/loop"
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
// items after it have been cancelled and have ended. If ctx is done, [context.Cause]
// of ctx is yielded at once, with a zero value, and ends the sequence in the same way.
//
// A panic of f or of seq is raised in the range loop in the place of the result, as a
// *[core.PanicError]; so is a Goexit. If the body of the range loop panics or calls
// Goexit while an item panics, both panics are raised as one.
//
// seq runs in a goroutine of its own, ahead of the range loop: at most 4 items for each
// worker are in flight, from their pull until the range loop asks for more than their
// result. As long as items are measured to be quick it is up to 1024, or what is
// measured to take a millisecond, so that handing them over costs little: some 25 ns,
// and no allocation, for an item that takes no time. Workers beyond 64 count when they
// have been started, and cost nothing before. A call of seq that blocks holds up nothing
// but the end of the loop.
//
// Within an item of another loop, or a task of a [Pool], and with the context given
// there, the loop behaves the same, with fewer workers. The caller's goroutine only waits
// there, or runs the body of the range loop; so the place that it holds is lent to one
// worker, in a goroutine of its own. That one may run an item while the body runs. The
// other workers are those that the outermost loop, or the pool, has free. They leave when
// there is no item for them. So the body of the range loop may wait for tasks of the pool
// in the ways that [Pool] has for any task.
//
// The workers and seq carry the profiler labels of ctx. The body keeps its own.
func Map[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapped(ctx, workers, loop.Input[T]{Seq: seq}, true, f)
}

// MapUnordered calls f for each item of seq, up to workers of them at once, and
// yields the results as the calls finish. Apart from the order it is [Map]. An error
// from f, or a panic, comes after the results of the calls that had finished before
// it, and cancels all others at once.
func MapUnordered[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapped(ctx, workers, loop.Input[T]{Seq: seq}, false, f)
}

// Then is [Map] whose input may fail, as the results of a loop may: so loops chain. An
// error of in is yielded, with a zero value, after the results of the items before it, and
// ends the sequence. Those items are not cancelled, and nothing after it is worked at.
// Leaving the last of chained loops ends all of them, from the last to the first.
func Then[T, R any](ctx context.Context, workers int, in iter.Seq2[T, error], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapped(ctx, workers, loop.Input[T]{Failing: in}, true, f)
}

// ThenUnordered is [Then] that yields the results as the calls finish. An error of in
// comes after all of them.
func ThenUnordered[T, R any](ctx context.Context, workers int, in iter.Seq2[T, error], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapped(ctx, workers, loop.Input[T]{Failing: in}, false, f)
}

// mapped returns the results of a stream. loop/ring.go keeps them in order until their turn.
func mapped[T, R any](ctx context.Context, workers int, in loop.Input[T], ordered bool, f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	call := newCall(ctx, workers)
	checkSeq(in.Seq == nil && in.Failing == nil)
	checkFunc(f == nil)
	return loop.Map(call, in, ordered, f)
}

// Each calls f for each item of seq, up to workers of them at once, and returns when
// all calls have ended. workers < 1 stands for GOMAXPROCS. It is [MapUnordered]
// without results. See there for the input, panics and Goexits, loops within loops and
// in pools, labels and cost.
//
// An error from f cancels the context that f is given, and stops seq. No further
// item starts, and Each returns the first error when those that run have ended. If
// ctx is done before seq has ended, Each does the same with [context.Cause] of ctx.
func Each[T any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) error) error {
	checkContext(ctx)
	checkSeq(seq == nil)
	checkFunc(f == nil)
	for _, err := range MapUnordered(ctx, workers, seq, func(ctx context.Context, v T) (struct{}, error) {
		return struct{}{}, f(ctx, v)
	}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// Kept is what became of one item of a loop over [Keep].
type Kept[T, R any] struct {
	In  T     // the item
	Out R     // what the function returned, also beside an error
	Err error // the function's
}

// Keep returns f as a function that never fails, so that a loop over it goes on after an
// error:
//
//	for kept, err := range pool.MapUnordered(ctx, 8, urls, pool.Keep(fetch)) {
//
// Here err is only that of ctx. A panic of f ends the loop as ever.
func Keep[T, R any](f func(ctx context.Context, v T) (R, error)) func(ctx context.Context, v T) (Kept[T, R], error) {
	checkFunc(f == nil)
	return func(ctx context.Context, v T) (Kept[T, R], error) {
		out, err := f(ctx, v)
		return Kept[T, R]{In: v, Out: out, Err: err}, nil
	}
}
