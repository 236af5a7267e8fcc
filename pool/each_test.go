package pool_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/pool"
)

func TestEach(t *testing.T) {
	t.Run("calls f once for each item", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			for _, workers := range []int{0, 1, 2, 8} {
				in := &input{n: 5000}
				calls := make([]atomic.Int32, in.n)
				require.NoError(t, pool.Each(here.ctx, workers, in.seq, func(_ context.Context, i int) error {
					calls[i].Add(1)
					return nil
				}))
				for i := range calls {
					if calls[i].Load() != 1 {
						require.Fail(t, "not once", "item %d: %d times", i, calls[i].Load())
					}
				}
				require.EqualValues(t, 1, in.stopped.Load())
			}
		})
	})

	t.Run("every worker is busy from the first item", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			start := time.Now()
			require.NoError(t, pool.Each(here.ctx, 8, (&input{n: 10 * here.workers(8)}).seq, func(context.Context, int) error {
				time.Sleep(100 * time.Millisecond)
				return nil
			}))
			require.Equal(t, time.Second, time.Since(start))
		})
	})

	t.Run("returns the first error, and stops the input", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			broken := errors.New("broken")
			in := &input{n: -1}
			require.Equal(t, broken, pool.Each(here.ctx, 8, in.seq, func(ctx context.Context, i int) error {
				if i == 20 {
					return broken
				}
				<-time.After(time.Second)
				return ctx.Err()
			}))
			require.EqualValues(t, 1, in.stopped.Load())
			require.LessOrEqual(t, in.pulled.Load(), int64(20+4*8))
		})
	})

	t.Run("returns the error, not what it does to the items that it cancels", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			here.needs(t, 8)
			broken := errors.New("broken")
			for range child.Many(100, 500) {
				var waits atomic.Int32
				require.Equal(t, broken, pool.Each(here.ctx, 8, (&input{n: 8}).seq, func(ctx context.Context, _ int) error {
					if waits.Add(1) == 8 {
						return broken
					}
					for ctx.Err() == nil {
						runtime.Gosched()
					}
					return ctx.Err()
				}))
			}
		})
	})

	t.Run("returns the cause of the context", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			broken := errors.New("broken")
			ctx, cancel := context.WithCancelCause(here.ctx)
			time.AfterFunc(time.Second, func() { cancel(broken) })
			in := &input{n: -1}
			require.Equal(t, broken, pool.Each(ctx, 8, in.seq, func(ctx context.Context, _ int) error {
				<-ctx.Done()
				return ctx.Err()
			}))
			require.EqualValues(t, 1, in.stopped.Load())
		})
	})

	t.Run("raises a panic of f and of the input", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			require.Equal(t, "boom", caught(func() {
				_ = pool.Each(here.ctx, 2, (&input{n: -1}).seq, func(_ context.Context, i int) error {
					if i == 100 {
						explode()
					}
					return nil
				})
			}).(*core.PanicError).Value)
			require.Equal(t, "boom", caught(func() {
				_ = pool.Each(here.ctx, 2, func(yield func(int) bool) { explode() }, func(context.Context, int) error { return nil })
			}).(*core.PanicError).Value)
		})
	})

	t.Run("bad input", func(t *testing.T) {
		f := func(context.Context, int) error { return nil }
		seq := slices.Values([]int{1})
		require.Equal(t, "pool: nil context", caught(func() { _ = pool.Each(nil, 1, seq, f) }))
		require.Equal(t, "pool: nil seq", caught(func() { _ = pool.Each(t.Context(), 1, nil, f) }))
		require.Equal(t, "pool: nil func", caught(func() { _ = pool.Each(t.Context(), 1, seq, nil) }))
	})
}
