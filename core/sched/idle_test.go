package sched

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/race"
)

// withIdleWorker returns a scheduler with a worker that has become idle in the caller's bubble.
func withIdleWorker() *Scheduler {
	s := new(Scheduler)
	s.Config = &Config{Kind: "pool", IdleAfter: time.Minute}
	s.Limit(1, 1)
	s.Go(nil, Func(func() {}))
	synctest.Wait()
	return s
}

// A worker that parks in a bubble must not be woken from outside.
func TestATimerDismissesTheWorkersOfItsOwnBubble(t *testing.T) {
	if race.Hidden {
		t.Skip("there the worker has a hidden one")
	}
	synctest.Test(t, func(t *testing.T) {
		s := withIdleWorker()
		idle := func() int { return inLock(s, func() int { return s.shared.workers }) }
		require.Equal(t, 1, idle())
		s.locked(func() { s.shared.idle.since = time.Now().Add(-time.Hour) })
		s.expire(0)
		synctest.Wait()
		require.Equal(t, 1, idle())
		s.expire(Bubble())
		synctest.Wait()
		require.Zero(t, idle())
	})
}

func TestASchedulerThatIsShutHasNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withIdleWorker()
		isSet := func() bool { return inLock(s, func() bool { return s.shared.timer != nil }) }
		require.True(t, isSet())
		s.ClosePool()
		require.False(t, isSet())
	})
}
