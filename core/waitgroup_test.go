package core_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
)

func TestWaitGroup(t *testing.T) {
	t.Run("wait on a zero value returns at once", func(t *testing.T) {
		var wg core.WaitGroup
		wg.Wait()
		require.NoError(t, wg.WaitContext(t.Context()))
	})

	t.Run("wait returns after the last done and not before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var wg core.WaitGroup
			var returned atomic.Int32
			wg.Add(2)
			for range 3 {
				go func() { wg.Wait(); returned.Add(1) }()
			}
			synctest.Wait()
			wg.Done()
			synctest.Wait()
			require.Zero(t, returned.Load())
			wg.Done()
			synctest.Wait()
			require.EqualValues(t, 3, returned.Load())
		})
	})

	t.Run("a waiter gives up and the others stay", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var wg core.WaitGroup
			wg.Add(1)
			ctx, cancel := context.WithCancelCause(t.Context())
			errs := make(chan error, 2)
			go func() { errs <- wg.WaitContext(ctx) }()
			go func() { errs <- wg.WaitContext(context.Background()) }()
			synctest.Wait()
			cause := errors.New("enough")
			cancel(cause)
			require.Equal(t, cause, <-errs)
			wg.Done()
			require.NoError(t, <-errs)
		})
	})

	t.Run("a negative counter panics and changes nothing", func(t *testing.T) {
		var wg core.WaitGroup
		wg.Add(1)
		require.PanicsWithValue(t, "core: negative WaitGroup counter", func() { wg.Add(-2) })
		require.Equal(t, 1, wg.Count())
		wg.Done()
		wg.Wait()
	})

	t.Run("a counter above 2^31-1 panics and changes nothing", func(t *testing.T) {
		var wg core.WaitGroup
		wg.Add(1<<31 - 1)
		require.PanicsWithValue(t, "core: WaitGroup counter above 2147483647", func() { wg.Add(1) })
		require.Equal(t, 1<<31-1, wg.Count())
		wg.Add(-(1<<31 - 1))
		wg.Wait()
	})
}

// Rounds follow each other without a pause: an Add may come while the waiters of
// the round before are still waking.
func TestWaitGroupReuseStorm(t *testing.T) {
	var wg core.WaitGroup
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20000 {
				wg.Add(1)
				go wg.Done()
				wg.Wait()
			}
		})
	}
	all.Wait()
	require.Zero(t, wg.Count())
}
