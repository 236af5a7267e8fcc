package pool_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool"
)

func TestMapSlice(t *testing.T) {
	t.Run("puts results in their place", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			for _, n := range []int{0, 1, 2, 1000, 20_000} {
				in := make([]int, n)
				want := make([]int, n)
				for i := range in {
					in[i], want[i] = i, i*i
				}
				for _, workers := range []int{0, 1, 2, 8} {
					out, err := pool.MapSlice(here.ctx, workers, in, square)
					require.NoError(t, err)
					require.Equal(t, want, out)
				}
			}
		})
	})

	t.Run("returns, with an error, what has succeeded", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			here.needs(t, 4)
			broken := errors.New("broken")
			out, err := pool.MapSlice(here.ctx, 8, []int{1, 2, 3, 4}, func(_ context.Context, v int) (int, error) {
				time.Sleep(time.Duration(v) * time.Second)
				if v == 3 {
					return -1, broken
				}
				return 10 * v, nil
			})
			require.Equal(t, broken, err)
			require.Equal(t, []int{10, 20, 0, 40}, out) // 4 does not heed the context
		})
	})

	t.Run("has GOMAXPROCS workers if it is given none", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			start := time.Now()
			_, err := pool.MapSlice(here.ctx, 0, make([]int, 3*here.workers(runtime.GOMAXPROCS(0))), func(context.Context, int) (int, error) {
				time.Sleep(time.Second)
				return 0, nil
			})
			require.NoError(t, err)
			require.Equal(t, 3*time.Second, time.Since(start))
		})
	})

	t.Run("bad input", func(t *testing.T) {
		require.Equal(t, "pool: nil context", caught(func() { _, _ = pool.MapSlice(nil, 1, []int{1}, square) }))
		require.Equal(t, "pool: nil func", caught(func() {
			_, _ = pool.MapSlice[int, int](t.Context(), 1, []int{1}, nil)
		}))
	})
}
