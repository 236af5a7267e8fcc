package group_test

import (
	"context"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/group"
)

// lockedToThread tells whether the goroutine is, as its stack trace says.
func lockedToThread() bool {
	var buf [128]byte
	header, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), "\n")
	return strings.Contains(header, "locked to thread")
}

// inTurn starts first and then another task, in one group after another until both
// have the same goroutine, if this build has tasks share any. It calls look while
// the second runs, with whether they have.
func inTurn(t *testing.T, first func(), look func(shared bool)) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range 1000 {
		var g group.Group
		a, b, release := make(chan uint64, 1), make(chan uint64), make(chan struct{})
		g.Go(func() { a <- sched.GoroutineID(); first() })
		g.Go(func() { b <- sched.GoroutineID(); <-release })
		shared := <-b == <-a
		look(shared)
		close(release)
		g.Wait()
		if shared || race.Hidden {
			return
		}
	}
	t.Error("no two tasks have shared a goroutine")
}

// What Go's comment says that one task may leave to the next.
func TestCarryOver(t *testing.T) {
	t.Run("labels that a task has set and not reset stay for the next", func(t *testing.T) {
		const place = "group_test.inTurn.func2+"
		labels := pprof.Labels("left", "behind")
		set := func() { pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), labels)) }
		inTurn(t, set, func(shared bool) {
			want := map[bool]string{true: `{"left":"behind"}`, false: ""}[shared]
			require.Equal(t, map[string]int{want: 1}, labelled(t, place))
		})
		reset := func() { pprof.Do(t.Context(), labels, func(context.Context) {}) }
		inTurn(t, reset, func(bool) {
			require.Equal(t, map[string]int{"": 1}, labelled(t, place))
		})
	})

	t.Run("of callers with different labels a task has one's", func(t *testing.T) {
		const n = 500
		var g group.Group
		var at, callers sync.WaitGroup
		at.Add(2 * n)
		release := make(chan struct{})
		for _, name := range []string{"7", "8"} {
			callers.Go(func() {
				pprof.Do(t.Context(), pprof.Labels("request", name), func(context.Context) {
					for range n {
						g.Go(func() { standHere(&at, release) })
					}
				})
			})
		}
		callers.Wait()
		at.Wait()
		labels := labelled(t, "group_test.standHere+")
		close(release)
		g.Wait()
		seven, eight := labels[`{"request":"7"}`], labels[`{"request":"8"}`]
		require.Equal(t, 2*n, seven+eight, "%v", labels)
		if race.Hidden { // with goroutines of their own they have their callers'
			require.Equal(t, n, seven)
		}
	})

	t.Run("a task that leaves its thread locked leaves it so to those that follow", func(t *testing.T) {
		g := new(group.Group)
		procs := runtime.GOMAXPROCS(1)
		defer runtime.GOMAXPROCS(procs)
		var mu sync.Mutex
		locked := make(map[uint64]bool) // goroutines
		followed := 0
		rounds := func() {
			for range 100 {
				for range 10 {
					g.Go(func() {
						id, isLocked := sched.GoroutineID(), lockedToThread()
						mu.Lock()
						defer mu.Unlock()
						require.Equal(t, locked[id], isLocked)
						if isLocked {
							followed++
						}
					})
				}
				g.Go(func() {
					runtime.LockOSThread()
					mu.Lock()
					locked[sched.GoroutineID()] = true
					mu.Unlock()
				})
			}
			g.Wait()
		}
		rounds()
		for !race.Hidden && followed == 0 { // on a busy machine each task may have ended when the next is started
			rounds()
		}
		require.Equal(t, !race.Hidden, followed > 0)
	})

	t.Run("a task that leaves its thread locked ends it by goexit", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		g := new(group.Group)
		var left sync.Map // the goroutines that have exited
		for range 100 {
			g.Go(func() {
				runtime.LockOSThread()
				left.Store(sched.GoroutineID(), true)
				runtime.Goexit()
			})
			for range 10 {
				g.Go(func() {
					_, exited := left.Load(sched.GoroutineID())
					require.False(t, exited)
					require.False(t, lockedToThread())
				})
			}
		}
		require.True(t, exited(g.Wait))
	})
}
