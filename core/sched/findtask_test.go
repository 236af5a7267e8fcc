package sched

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

func TestEachTaskThatBlocksGetsAWorker(t *testing.T) {
	const tasks = 1000
	for _, ofSet := range []bool{false, true} {
		t.Run(fmt.Sprintf("of a set: %t", ofSet), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s Scheduler
				var set *Set
				waitForSet := func() {}
				if ofSet {
					set = s.NewSet(t.Context())
					waitForSet = func() { set.Wait()() }
				}
				release := make(chan struct{})
				var began atomic.Int32
				for i := range tasks {
					s.Go(set, Func(func() {
						began.Add(1)
						<-release
						if i%100 == 7 {
							panic("one")
						}
					}))
				}
				waited := make(chan *core.PanicError)
				go func() {
					var p *core.PanicError
					core.Call(func() { waitForSet(); _ = s.Wait(nil) }, func(of *core.PanicError) { p = of })
					waited <- p
				}()
				synctest.Wait()
				require.EqualValues(t, tasks, began.Load())
				require.Equal(t, tasks, s.Running())
				close(release)
				require.Equal(t, "one", (<-waited).Value)
				require.Zero(t, s.Running())
				if !race.Hidden {
					require.Zero(t, inLock(&s, func() int { return s.shared.workers }))
				}
			})
		})
	}
}

// The workers of tasks that block and of a waiter that waits do not make each task that follows
// start a worker.
func TestWorkersRunManyShortTasksThoughOthersBlock(t *testing.T) {
	if race.Hidden {
		t.Skip("each task has a goroutine of its own")
	}
	const tasks = 1000
	synctest.Test(t, func(t *testing.T) {
		var s Scheduler
		release := make(chan struct{})
		for range tasks {
			s.Go(nil, Func(func() { <-release }))
		}
		go func() { _ = s.Wait(nil) }()
		synctest.Wait()
		goroutines := make([]uint64, 10*tasks)
		for i := range goroutines {
			s.Go(nil, Func(func() { goroutines[i] = GoroutineID() }))
			if i%tasks == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		slices.Sort(goroutines)
		started := len(slices.Compact(goroutines))
		close(release)
		require.Less(t, started, tasks)
	})
}
