package pool

import "context"

// MapSlice calls f for each element of in, up to workers of them at once, and
// returns the results in the order of in when all calls have ended. workers < 1
// stands for GOMAXPROCS. It is [For] with results: what For says of the order of
// the calls, of panics and Goexits, of loops within loops and in pools, and of
// cost, holds here.
//
// An error from f cancels the context that f is given. No further item starts, and
// MapSlice returns the first error when those that run have ended, and beside it
// the results, in their place, of the items that succeeded; the other elements are
// zero. If ctx is done before every item has started, MapSlice does the same with
// [context.Cause] of ctx.
func MapSlice[T, R any](ctx context.Context, workers int, in []T, f func(ctx context.Context, v T) (R, error)) ([]R, error) {
	workers = checkLoop(ctx, workers)
	if f == nil {
		panic("pool: nil func")
	}
	out := make([]R, len(in))
	err := runFor(ctx, workers, len(in), f, func(l *forLoop, lo, hi int) (next int, err error) {
		ctx := context.Context(&l.ctx)
		i := lo
		for ; i < hi && !l.look.Load(); i++ {
			r, err := f(ctx, in[i])
			if err != nil {
				return i, err
			}
			out[i] = r
		}
		return i, nil
	})
	return out, err
}
