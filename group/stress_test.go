package group_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/group"
)

// Task i waits for a random other task, also for one that is started later; some
// are started by others, some panic, some call Goexit. All end.
func TestDependencyChains(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		t.Run(fmt.Sprintf("on %d P every task ends", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			rounds := child.Many(6, 30)
			var reused group.Group
			for round := range rounds {
				g := &reused
				if round%2 == 0 {
					g = new(group.Group)
				}
				chains(t, g, 400, true, func(i, n int) int { return rand.IntN(n) })
			}
		})

		t.Run(fmt.Sprintf("on %d P with a limit, of tasks that wait for earlier ones", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for _, limit := range []int{1, 2, 7, 64} {
				g := group.New(group.Options{Limit: limit})
				chains(t, g, 400, false, func(i, n int) int { return rand.IntN(i + 1) })
			}
		})
	}

	t.Run("in a bubble, twice", func(t *testing.T) {
		for range 2 {
			synctest.Test(t, func(t *testing.T) {
				chains(t, &packageGroup, 200, true, func(i, n int) int { return rand.IntN(n) })
			})
		}
	})
}

// chains starts n tasks, each of which waits until the one that dependsOn names
// has started. If nest is set, a third of them are started by the task before.
func chains(t *testing.T, g *group.Group, n int, nest bool, dependsOn func(i, n int) int) {
	started := make([]chan struct{}, n)
	for i := range started {
		started[i] = make(chan struct{})
	}
	var ended atomic.Int32
	allStarted := make(chan struct{})
	var start func(i int)
	start = func(first int) {
		for i := first; i < n; i++ {
			nested := nest && rand.IntN(3) == 0
			how := rand.IntN(10)
			yield := rand.IntN(4) == 0
			j := dependsOn(i, n)
			g.Go(func() {
				defer ended.Add(1)
				close(started[i])
				if nested {
					start(i + 1)
				}
				if yield {
					runtime.Gosched()
				}
				<-started[j]
				switch how {
				case 8:
					panic(i)
				case 9:
					runtime.Goexit()
				}
			})
			if nested {
				return
			}
		}
		close(allStarted)
	}
	start(0)
	<-allStarted
	exited(g.Wait)
	require.EqualValues(t, n, ended.Load())
	require.Zero(t, g.Running())
	g.Wait()
}
