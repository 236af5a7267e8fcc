package errgroup

import (
	"context"
	"fmt"
	"sync"
)

// Quorum runs all of fs at once, each as a task, until n of them have succeeded, and
// returns their results in the order in which they came. As soon as n have
// succeeded, or so many have failed that n no longer can, the context of the others
// is cancelled, and Quorum returns when they have ended. In the second case it
// returns all errors, combined in the order of fs; what succeeded is dropped.
//
// A quorum of 0 is reached at once, and nothing is started; neither is it for an n
// that is more than there are functions, which is an error. A negative n panics.
//
// A panic or a Goexit of one cancels the others, and Quorum raises it when they
// have ended.
//
// The functions' context is done when Quorum returns, so a result must not depend
// on it, as the body of an http.Response does.
func Quorum[T any](ctx context.Context, n int, fs ...func(ctx context.Context) (T, error)) ([]T, error) {
	if n < 0 {
		panic(fmt.Sprintf("errgroup: negative quorum, got %d", n))
	}
	checkFuncs(fs)
	if n > len(fs) {
		return nil, fmt.Errorf("errgroup: quorum of %d among %d functions", n, len(fs))
	}
	if n == 0 {
		return nil, nil
	}
	g, ctx := newDecider(ctx)
	var (
		mu      sync.Mutex
		results = make([]T, 0, n)
		spare   = len(fs) - n // how many more may fail
	)
	for _, f := range fs {
		if ctx.Err() != nil {
			g.fail(g.number(), nil, context.Cause(ctx))
			break
		}
		t := &task{group: g, number: g.number()}
		t.f = func() error {
			value, err := f(ctx)
			t.fail(err) // before the context is cancelled for it
			mu.Lock()
			if err != nil {
				spare--
			} else if len(results) < n {
				results = append(results, value)
			}
			decided := spare < 0 || len(results) == n
			mu.Unlock()
			if decided {
				g.stop(nil)
			}
			return nil
		}
		g.scheduler.Go(nil, t)
	}
	err := g.Wait()
	if len(results) == n {
		return results, nil
	}
	return nil, err
}
