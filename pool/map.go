package pool

import (
	"context"
	"iter"

	"github.com/coterie-go/coterie/pool/internal/loop"
)

// Map calls f for each item of seq, up to workers calls at once, and yields the results in the
// order of seq. It yields a result as soon as that and all earlier ones are ready. A number of
// workers less than 1 means GOMAXPROCS. Map itself runs nothing: each range loop over the sequence
// runs seq again. The call for an item must not wait for a later item: a worker may run several
// items one after another. Map panics if ctx, seq or f is nil.
//
// A body that leaves the range loop, in any way, cancels the context of f and stops seq. The range
// loop then blocks until all calls of f, and seq with its deferred calls, have ended. The sequence
// ends with the first error of f: it yields the results of the items before, and then f's value and
// error. Before it yields the error, the calls for later items have been cancelled and have ended.
// The sequence ends in the same way when ctx is done: it yields a zero value with [context.Cause]
// of ctx, without the results that are left.
//
// The range loop panics with a *[core.PanicError] in the place of the result if f or seq panics.
// The range loop calls Goexit if f or seq calls it. It raises the panics of its body and of an item
// as one if both panic. The item's panic is raised if the body calls Goexit while an item
// panics.
//
// seq runs in a goroutine of its own, ahead of the range loop. An item is in flight from when seq
// yields it until the range loop asks for the result after the item's. At most 4 items for each
// worker are in flight. If items are measured to be quick, more may be in flight: for each worker
// as many as take a millisecond, up to 1024, and 4096 in all. Then an item that takes no time costs
// 25 to 40 ns and no allocation. Workers beyond 64 count only when they have been started, and cost
// nothing before. A seq that blocks holds up only the end of the loop.
//
// An item of another loop, or a task of a [Pool], may run a loop with its own context. That loop
// behaves the same, with fewer workers. The caller's goroutine only waits, or runs the body of the
// range loop. So the loop lends its place to one worker, in a goroutine of its own. That worker may
// run an item while the body runs. The other workers are those that the outermost loop, or the
// pool, has free. They leave when there is no item for them. So the body of the range loop may wait
// for tasks of the pool as any task may; see [Pool].
//
// The workers and seq have the pprof labels of ctx. The body keeps its own.
func Map[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return stream(ctx, workers, loop.Input[T]{Seq: seq}, true, f)
}

// MapUnordered is [Map], but yields the results in the order in which the calls end. All other
// calls are cancelled at once if a call returns an error or panics. The error or panic comes after
// the results of the calls that had ended before.
func MapUnordered[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return stream(ctx, workers, loop.Input[T]{Seq: seq}, false, f)
}

// Then is [Map] for an input that may fail, for example the results of another loop: so loops
// chain. The sequence ends with the first error of in: it yields the results of the items before,
// and then a zero value with the error. The items before are not cancelled. Then ignores everything
// after the error. A body that leaves the last of several chained loops ends all of them, from the
// last to the first. That cancels the contexts of their items. It does not reach a loop that the
// input runs in another goroutine, as with [iter.Pull].
func Then[T, R any](ctx context.Context, workers int, in iter.Seq2[T, error], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return stream(ctx, workers, loop.Input[T]{Failing: in}, true, f)
}

// ThenUnordered is [Then], but yields the results in the order in which the calls end. An error of
// in comes after all of them.
func ThenUnordered[T, R any](ctx context.Context, workers int, in iter.Seq2[T, error], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return stream(ctx, workers, loop.Input[T]{Failing: in}, false, f)
}

// stream checks the arguments. Package loop does the rest; its stream.go keeps the order. If stream
// were inlined, the function that it returns would count as its caller's in stack traces.
//
//go:noinline
func stream[T, R any](ctx context.Context, workers int, in loop.Input[T], ordered bool, f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	checkContext(ctx)
	checkSeq(in.Seq == nil && in.Failing == nil)
	checkFunc(f == nil)
	return func(yield func(R, error) bool) {
		loop.Map(newCall(ctx, workers), in, ordered, f)(yield) // here, because a task of ctx may have ended by now
	}
}

// Each calls f for each item of seq, up to workers calls at once, and blocks until all calls have
// ended. A number of workers less than 1 means GOMAXPROCS. Each is [MapUnordered] without results.
// See [Map] for the input, panics and Goexits, loops within loops and in pools, labels and cost.
//
// Each cancels the context of f, stops seq and starts no further item if f returns an error. It
// returns the first error when the running items have ended. Each ends in the same way, with
// [context.Cause] of ctx, if ctx is done before seq has ended. It panics if ctx, seq or f is nil.
func Each[T any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) error) error {
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

// Kept is the result of one item in a loop with [Keep].
type Kept[T, R any] struct {
	In  T     // the item
	Out R     // the value that the function returned, also if it returned an error
	Err error // the error that the function returned
}

// Keep returns a function that calls f and never fails, so that a loop continues after an error:
//
//	for kept, err := range pool.MapUnordered(ctx, 8, urls, pool.Keep(fetch)) {
//
// Here err is not nil only if ctx is done. A panic or a Goexit of f still ends the loop. Keep
// panics if f is nil.
func Keep[T, R any](f func(ctx context.Context, v T) (R, error)) func(ctx context.Context, v T) (Kept[T, R], error) {
	checkFunc(f == nil)
	return func(ctx context.Context, v T) (Kept[T, R], error) {
		out, err := f(ctx, v)
		return Kept[T, R]{In: v, Out: out, Err: err}, nil
	}
}
