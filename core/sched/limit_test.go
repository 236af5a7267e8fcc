package sched

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// A Parker that is used again too early would wake whatever waits with it then.
func TestASubmitterThatGivesUpTooLateWaitsUntilItIsWoken(t *testing.T) {
	if race.Hidden {
		t.Skip("no Parker is used again")
	}
	synctest.Test(t, func(t *testing.T) {
		s := newLimited("", 1, 1)
		release := make(chan struct{})
		for range 2 {
			require.True(t, s.Go(nil, Func(func() { <-release })))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		returned := false
		go func() {
			err = s.GoContext(ctx, nil, Func(func() {}))
			returned = true
		}()
		synctest.Wait()
		require.Equal(t, 1, s.Blocked())

		var do todo
		s.mu.Lock()
		s.shared.limiter.mayWait++
		s.admitLocked(&do)
		s.mu.Unlock()
		require.Zero(t, s.Blocked())
		cancel()
		synctest.Wait()
		require.False(t, returned)
		park.WakeAll(do.wake)
		synctest.Wait()
		require.True(t, returned)
		require.NoError(t, err)
		close(release)
		require.NoError(t, s.Wait(nil))
	})
}
