package sched

import (
	"fmt"
	"runtime"
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

// Once tasks end again, few workers search, although other tasks still block.
func TestFewWorkersSearchForShortTasksThoughOthersBlock(t *testing.T) {
	if race.Hidden {
		t.Skip("each task has a goroutine of its own")
	}
	const tasks = 1000
	synctest.Test(t, func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that the workers that search do not begin
		var s Scheduler
		workers := func() int { return inLock(&s, func() int { return s.shared.workers }) }
		release := make(chan struct{})
		for range tasks {
			s.Go(nil, Func(func() { <-release }))
		}
		go func() { _ = s.Wait(nil) }()
		synctest.Wait()
		require.Equal(t, tasks, workers())
		fewest := 2 * tasks // of several rounds: a worker that is preempted looks as if its task blocked
		for range 10 {
			most := 0
			for range tasks {
				s.Go(nil, Func(func() { most = max(most, workers()) }))
			}
			synctest.Wait()
			fewest = min(fewest, most)
		}
		close(release)
		require.Less(t, fewest, tasks+segmentLen/2)
	})
}
