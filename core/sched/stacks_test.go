package sched_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/pool"
)

// parked starts goroutines that stand at one place until the test ends, and returns their
// numbers.
func parked(t *testing.T, n int) []uint64 {
	release, ids := make(chan struct{}), make(chan uint64)
	var all []uint64
	for range n {
		go func() {
			ids <- sched.GoroutineID()
			standHere(release)
			ids <- 0
		}()
		all = append(all, <-ids)
	}
	t.Cleanup(func() {
		close(release)
		for range n {
			<-ids
		}
	})
	return all
}

//go:noinline
func standHere(release chan struct{}) { <-release }

func TestStacks(t *testing.T) {
	t.Run("each goroutine has a number of its own", func(t *testing.T) {
		ids := parked(t, 3)
		require.NotEqual(t, ids[0], ids[1])
		require.NotEqual(t, ids[0], sched.GoroutineID())
		require.Equal(t, sched.GoroutineID(), sched.GoroutineID())
	})

	t.Run("the stacks of those asked for, which still run", func(t *testing.T) {
		ids := parked(t, 3)
		var stacks map[uint64][]byte
		for stand := 0; stand < 2; { // those that are about to may be seen before
			stacks = sched.Stacks([]uint64{ids[0], ids[2], 1 << 60})
			require.Len(t, stacks, 2)
			stand = strings.Count(string(stacks[ids[0]])+string(stacks[ids[2]]), "sched_test.standHere(")
		}
		for _, id := range []uint64{ids[0], ids[2]} {
			require.Contains(t, string(stacks[id]), "sched_test.standHere(")
			require.NotContains(t, string(stacks[id]), "\n\n")
		}
	})

	t.Run("the stacks of many, each of them long", func(t *testing.T) {
		release, ids := make(chan struct{}), make(chan uint64)
		const n = 100
		var all []uint64
		for range n {
			go deep(50, func() { ids <- sched.GoroutineID(); standHere(release); ids <- 0 })
			all = append(all, <-ids)
		}
		stacks := sched.Stacks(all)
		close(release)
		for range n {
			<-ids
		}
		require.Len(t, stacks, n)
		for _, s := range stacks {
			require.Contains(t, string(s), "sched_test.standHere(")
		}
	})

	t.Run("one dump is enough for many goroutines with ordinary stacks", func(t *testing.T) {
		ids := parked(t, 3000)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.Len(t, sched.Stacks(ids[:1]), 1)
		runtime.ReadMemStats(&after)
		// A dump that did not fit would be thrown away for one of twice the size.
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*(1<<16+1<<10*runtime.NumGoroutine())))
	})

	t.Run("none in a process with very many goroutines", func(t *testing.T) {
		ids := parked(t, sched.MaxStacks)
		require.Greater(t, runtime.NumGoroutine(), sched.MaxStacks)
		require.Empty(t, sched.Stacks(ids[:1]))
	})
}

func deep(frames int, f func()) {
	if frames > 0 {
		deep(frames-1, f)
		return
	}
	f()
}

func TestAStuckErrorListsTheOldestTaskFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(3, pool.Options{Name: "mail"})
		defer p.Close()
		release := make(chan struct{})
		defer close(release)
		for _, name := range []string{"old", "young"} {
			ctx, _ := sched.WithName(t.Context(), name)
			require.NoError(t, p.GoContext(ctx, func(context.Context) { standHere(release) }))
			time.Sleep(time.Second)
		}
		cause := errors.New("no time")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, cause)
		defer cancel()
		var e *core.StuckError
		require.ErrorAs(t, p.WaitContext(ctx), &e)
		require.Equal(t, time.Now(), e.Time)
		require.ErrorIs(t, e, cause)
		require.Len(t, e.Tasks, 2)
		for i, name := range []string{"old/mail", "young/mail"} {
			require.Equal(t, name, e.Tasks[i].Name)
			require.Equal(t, time.Minute+time.Duration(2-i)*time.Second, e.Time.Sub(e.Tasks[i].Started))
			require.Contains(t, string(e.Tasks[i].Stack), "sched_test.standHere(")
		}
		require.Contains(t, e.Error(), "pool \"mail\": 2 running: no time\n\nold/mail, for 1m2s\ngoroutine ")
	})
}
