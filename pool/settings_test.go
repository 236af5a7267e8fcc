package pool_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

// A setting is where a loop runs.
type setting struct {
	name   string
	places int // how many items of a loop may run at once there
	run    func(t *testing.T, f func(ctx context.Context))
}

// settings are where every loop must behave the same.
var settings = []setting{
	{"at the top level", math.MaxInt, func(t *testing.T, f func(ctx context.Context)) { f(t.Context()) }},
	{"in an item of For", 8, func(t *testing.T, f func(ctx context.Context)) {
		require.NoError(t, pool.For(t.Context(), 8, 1, func(ctx context.Context, _ int) error {
			f(ctx)
			return nil
		}))
	}},
	inPool("in a pool of one", 1),
	inPool("in a pool of two", 2),
	inPool("in a pool of four", 4),
	{"in a batch", 8, func(t *testing.T, f func(ctx context.Context)) {
		p := pool.New(8, pool.Options{Name: "batch"})
		defer p.Close()
		b := p.Batch(t.Context())
		require.NoError(t, b.GoContext(t.Context(), f))
		b.Wait()
	}},
}

func inPool(name string, workers int) setting {
	return setting{name, workers, func(t *testing.T, f func(ctx context.Context)) {
		p := pool.New(workers, pool.Options{})
		defer p.Close()
		future, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			f(ctx)
			return 0, nil
		})
		require.NoError(t, err)
		if _, err = future.Get(); errors.Is(err, core.ErrGoexit) {
			runtime.Goexit() // of a require, or of a skip
		}
		require.NoError(t, err)
	}}
}

// A place is the setting of one test.
type place struct {
	ctx    context.Context
	places int
}

// workers returns how many of so many workers a loop has there.
func (p place) workers(n int) int { return min(n, p.places) }

// needs skips a test that needs so many workers.
func (p place) needs(t *testing.T, n int) {
	if p.places < n {
		t.Skipf("needs %d workers", n)
	}
}

// everywhere runs a test in each setting, within a bubble.
func everywhere(t *testing.T, test func(t *testing.T, here place)) {
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s.run(t, func(ctx context.Context) { test(t, place{ctx, s.places}) })
			})
		})
	}
}

// everywhereByRealClock runs a test in each setting.
func everywhereByRealClock(t *testing.T, test func(t *testing.T, here place)) {
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			s.run(t, func(ctx context.Context) { test(t, place{ctx, s.places}) })
		})
	}
}
