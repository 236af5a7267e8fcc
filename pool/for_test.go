package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

func TestFor(t *testing.T) {
	t.Run("calls f once for each index", func(t *testing.T) {
		for _, n := range []int{0, 1, 2, 10, 1000, 100_000} {
			calls := make([]atomic.Int32, n)
			require.NoError(t, pool.For(t.Context(), 8, n, func(_ context.Context, i int) error {
				calls[i].Add(1)
				return nil
			}))
			for i := range calls {
				require.EqualValues(t, 1, calls[i].Load())
			}
		}
	})

	t.Run("every worker is busy from the first item", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for n, want := range map[int]time.Duration{8: 100 * time.Millisecond, 80: time.Second} {
				start := time.Now()
				require.NoError(t, pool.For(t.Context(), 8, n, func(context.Context, int) error {
					time.Sleep(100 * time.Millisecond)
					return nil
				}))
				require.Equal(t, want, time.Since(start))
			}
		})
	})

	t.Run("returns the first error", func(t *testing.T) {
		broken := errors.New("broken")
		require.Equal(t, broken, pool.For(t.Context(), 8, 1000, func(_ context.Context, i int) error {
			if i == 10 {
				return broken
			}
			return nil
		}))
	})

	t.Run("raises a panic of f", func(t *testing.T) {
		defer func() { require.Equal(t, "boom", recover().(*core.PanicError).Value) }()
		pool.For(t.Context(), 8, 1000, func(_ context.Context, i int) error {
			if i == 10 {
				panic("boom")
			}
			return nil
		})
	})
}

func TestMapSlice(t *testing.T) {
	out, err := pool.MapSlice(t.Context(), 8, []int{1, 2, 3}, func(_ context.Context, v int) (int, error) { return v * v, nil })
	require.NoError(t, err)
	require.Equal(t, []int{1, 4, 9}, out)
}

func TestEach(t *testing.T) {
	var sum atomic.Int64
	require.NoError(t, pool.Each(t.Context(), 8, slices.Values([]int{1, 2, 3}), func(_ context.Context, v int) error {
		sum.Add(int64(v))
		return nil
	}))
	require.EqualValues(t, 6, sum.Load())
}
