package pool

import (
	"context"
	"iter"
)

// Map calls f for each item of seq, up to workers of them at once, and yields the
// results in the order of seq, each as soon as it and those before it are there.
// workers < 1 stands for GOMAXPROCS.
//
// Leaving the range loop in any way cancels the context that f is given, stops
// seq, and goes on when every call has ended. An error from f is yielded after
// the results of the items before it, and ends the sequence; so does, once,
// [context.Cause] of ctx when that is done. A panic of f or of seq is raised in
// the range loop as a *[core.PanicError], and a Goexit of either ends the
// goroutine that runs the loop. Each range over the sequence runs seq anew.
func Map[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapSeq(ctx, workers, seq, f, true)
}

// MapUnordered is [Map] that yields the results as the calls finish.
func MapUnordered[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return mapSeq(ctx, workers, seq, f, false)
}
