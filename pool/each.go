package pool

import (
	"context"
	"iter"
)

// Each calls f for each item of seq, up to workers of them at once, and returns when
// all calls have ended. workers < 1 stands for GOMAXPROCS. It is [MapUnordered]
// without results: what that says of the input, of panics and Goexits, of loops
// within loops and in pools, and of cost, holds here.
//
// An error from f cancels the context that f is given, and stops seq. No further
// item starts, and Each returns the first error when those that run have ended. If
// ctx is done before seq has ended, Each does the same with [context.Cause] of ctx.
func Each[T any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) error) error {
	checkLoop(ctx, workers)
	if seq == nil {
		panic("pool: nil seq")
	}
	if f == nil {
		panic("pool: nil func")
	}
	for _, err := range MapUnordered(ctx, workers, seq, func(ctx context.Context, v T) (struct{}, error) {
		return struct{}{}, f(ctx, v)
	}) {
		if err != nil {
			return err
		}
	}
	return nil
}
