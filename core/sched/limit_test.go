package sched

import (
	"context"
	"sync/atomic"
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
	for name, c := range map[string]struct {
		start func(ctx context.Context, s *Scheduler, k *Keyed[int]) error
		admit func(s *Scheduler, k *Keyed[int])
	}{
		"for room": {
			func(ctx context.Context, s *Scheduler, _ *Keyed[int]) error {
				return s.GoContext(ctx, nil, Func(func() {}))
			},
			func(s *Scheduler, _ *Keyed[int]) {
				s.shared.limiter.mayWait++
				s.admitLocked()
			},
		},
		"for its key": {
			func(ctx context.Context, s *Scheduler, k *Keyed[int]) error {
				return k.GoContext(ctx, 1, keyedTask(s, func() {}))
			},
			func(_ *Scheduler, k *Keyed[int]) {
				k.mayWait++
				k.admitLocked()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newLimited("", 1, 1)
				k := NewKeyed[int](s, 1, 0)
				release := make(chan struct{})
				require.NoError(t, k.GoContext(t.Context(), 1, keyedTask(s, func() { <-release })))
				require.True(t, s.Go(nil, Func(func() {})))
				ctx, cancel := context.WithCancel(t.Context())
				var err error
				returned := false
				go func() {
					err = c.start(ctx, s, k)
					returned = true
				}()
				synctest.Wait()

				s.mu.Lock()
				c.admit(s, k)
				wake := s.wake
				s.wake = nil
				s.mu.Unlock()
				cancel()
				synctest.Wait()
				require.False(t, returned)
				park.WakeAll(wake)
				synctest.Wait()
				require.True(t, returned)
				require.NoError(t, err)
				close(release)
				require.NoError(t, s.Wait(nil))
			})
		})
	}
}

// Workers claim the tasks of their segments without the lock. So all that they have taken must not
// make enough room for a blocked submitter.
func TestWorkersTakeLessThanMakesRoomForSubmitters(t *testing.T) {
	if race.Hidden {
		t.Skip("workers take one task at a time")
	}
	s := newLimited("", 2, 64)
	s.locked(func() {
		x := s.shared
		for range 64 {
			s.pushLocked(nil, Func(func() {}))
		}
		x.queue.pop() // the first task is in no segment
		taken := 0
		for g := x.queue.popSegment(s.bulkLocked()); g != nil; g = x.queue.popSegment(s.bulkLocked()) {
			taken += int(g.unclaimed())
		}
		require.Equal(t, int(x.limiter.wakeAt)-1, taken)
		x.todo = todo{} // there are no workers
	})
}

// A task that the end of a scope refuses does not count as accepted.
func TestTheEndOfAScopeRefusesBlockedSubmitters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Scheduler
		s.SetWorkers(0)
		var refused atomic.Int32
		for range 2 {
			go func() {
				if !s.Go(nil, Func(func() {})) {
					refused.Add(1)
				}
			}()
			synctest.Wait()
		}
		s.CloseScope(nil)
		synctest.Wait()
		require.EqualValues(t, 2, refused.Load())
		require.Zero(t, s.Counts().Accepted)
	})
}
