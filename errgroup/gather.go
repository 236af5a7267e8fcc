package errgroup

import "context"

// Gather runs all of fs at once, each as a task. It blocks until all have ended, and returns their
// results in the order of fs. The first error of a function cancels the context of the others, and
// Gather starts no further function. Gather then returns that error and no results. Gather starts
// no further function when ctx is done, and returns [context.Cause] of ctx among the errors.
//
// A panic or a Goexit of a function cancels the context of the others. Gather raises it when they
// have ended. Gather panics if ctx or a function is nil.
//
// The functions' context is done when Gather returns, so a result must not depend on it. The body
// of an http.Response does.
func Gather[T any](ctx context.Context, fs ...func(ctx context.Context) (T, error)) ([]T, error) {
	checkFuncs(fs)
	g, ctx := WithContext(ctx)
	results := make([]T, len(fs))
	for i, f := range fs {
		gather(ctx, g, f, &results[i])
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return results, nil
}

// All2 is [Gather] for two functions with results of different types. Both results are zero if a
// function fails.
func All2[A, B any](
	ctx context.Context,
	fa func(ctx context.Context) (A, error),
	fb func(ctx context.Context) (B, error),
) (A, B, error) {
	checkFunc(fa == nil || fb == nil)
	var a, zeroA A
	var b, zeroB B
	g, ctx := WithContext(ctx)
	gather(ctx, g, fa, &a)
	gather(ctx, g, fb, &b)
	if err := g.Wait(); err != nil {
		return zeroA, zeroB, err
	}
	return a, b, nil
}

// All3 is [Gather] for three functions with results of different types. All results are zero if a
// function fails.
func All3[A, B, C any](
	ctx context.Context,
	fa func(ctx context.Context) (A, error),
	fb func(ctx context.Context) (B, error),
	fc func(ctx context.Context) (C, error),
) (A, B, C, error) {
	checkFunc(fa == nil || fb == nil || fc == nil)
	var a, zeroA A
	var b, zeroB B
	var c, zeroC C
	g, ctx := WithContext(ctx)
	gather(ctx, g, fa, &a)
	gather(ctx, g, fb, &b)
	gather(ctx, g, fc, &c)
	if err := g.Wait(); err != nil {
		return zeroA, zeroB, zeroC, err
	}
	return a, b, c, nil
}

// gather starts f, unless ctx is done, and stores its result in value. ctx is the context of g.
func gather[T any](ctx context.Context, g *Group, f func(ctx context.Context) (T, error), value *T) {
	if ctx.Err() != nil {
		g.failNotStarted()
		return
	}
	g.Go(func() (err error) {
		*value, err = f(ctx)
		return err
	})
}

func checkFuncs[T any](fs []func(ctx context.Context) (T, error)) {
	for _, f := range fs {
		checkFunc(f == nil)
	}
}
