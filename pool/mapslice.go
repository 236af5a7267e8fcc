package pool

import "context"

// MapSlice calls f for each element of in, up to workers of them at once, and
// returns the results in the order of in. workers < 1 stands for GOMAXPROCS.
//
// An error from f cancels the context that f is given, no further element is
// begun, and MapSlice returns the first error when those that run have ended,
// and with it a slice of the same length in which the elements that succeeded
// have their result and the others are zero. If ctx is done before every element
// has begun, the error is [context.Cause] of it. A panic of f is raised here as a
// *[core.PanicError], and a Goexit of f ends the caller.
func MapSlice[T, R any](ctx context.Context, workers int, in []T, f func(ctx context.Context, v T) (R, error)) ([]R, error) {
	checkLoop(ctx, workers)
	if f == nil {
		panic("pool: nil func")
	}
	out := make([]R, len(in))
	err := For(ctx, workers, len(in), func(ctx context.Context, i int) error {
		r, err := f(ctx, in[i])
		if err == nil {
			out[i] = r
		}
		return err
	})
	return out, err
}
