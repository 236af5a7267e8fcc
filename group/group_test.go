package group_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// caught returns what f panicked with.
func caught(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

func TestGroup(t *testing.T) {
	t.Run("wait returns when every task has ended", func(t *testing.T) {
		var g group.Group
		var ran atomic.Int32
		for range 3 {
			for range 1000 {
				g.Go(func() { ran.Add(1) })
			}
			g.Wait()
		}
		require.EqualValues(t, 3000, ran.Load())
		require.Zero(t, g.Running())
	})

	t.Run("no more tasks run than the limit allows", func(t *testing.T) {
		g := group.New(group.Options{Limit: 3})
		var now, most atomic.Int32
		for range 500 {
			g.Go(func() {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				runtime.Gosched()
				now.Add(-1)
			})
		}
		g.Wait()
		require.EqualValues(t, 3, most.Load())
	})

	t.Run("a limit that is set while tasks run counts them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			release := make(chan struct{})
			for range 3 {
				g.Go(func() { <-release })
			}
			g.SetLimit(2)
			require.False(t, g.TryGo(func() {}))
			release <- struct{}{}
			synctest.Wait()
			require.False(t, g.TryGo(func() {}))
			release <- struct{}{}
			synctest.Wait()
			require.True(t, g.TryGo(func() {}))
			close(release)
			g.Wait()
			g.SetLimit(-1)
			g.Go(func() {})
			g.Wait()
		})
	})

	t.Run("a panic is raised by wait and does not stick", func(t *testing.T) {
		var g group.Group
		boom := errors.New("boom")
		g.Go(func() { panic(boom) })
		v := caught(g.Wait)
		p, ok := v.(*core.PanicError)
		require.True(t, ok)
		require.ErrorIs(t, p, boom)
		require.Contains(t, string(p.Stack), "group_test.TestGroup")
		g.Go(func() {})
		g.Wait()
	})

	t.Run("a stuck wait says who runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Name: "ingest"})
			release := make(chan struct{})
			g.GoNamed("fetch", func() { <-release })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := g.WaitContext(ctx)
			var stuck *group.StuckError
			require.ErrorAs(t, err, &stuck)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Len(t, stuck.Tasks, 1)
			require.Equal(t, "ingest/fetch", stuck.Tasks[0].Name)
			require.Contains(t, string(stuck.Tasks[0].Stack), "TestGroup")
			require.True(t, strings.HasPrefix(err.Error(), `group "ingest": 1 still running: context deadline exceeded

ingest/fetch, for 1m0s
`), err.Error())
			close(release)
			require.NoError(t, g.WaitContext(t.Context()))
		})
	})
}

// Task i waits for a random other task, also for one that is started later.
func TestEngineDependencyChains(t *testing.T) {
	for range 20 {
		const n = 300
		var g group.Group
		started := make([]chan struct{}, n)
		for i := range started {
			started[i] = make(chan struct{})
		}
		var ended atomic.Int32
		for i := range n {
			j := rand.IntN(n)
			g.Go(func() {
				defer ended.Add(1)
				close(started[i])
				<-started[j]
				switch i % 5 {
				case 3:
					panic("three")
				case 4:
					runtime.Goexit()
				}
			})
		}
		require.NotNil(t, caught(g.Wait))
		require.EqualValues(t, n, ended.Load())
	}
}

func TestRun(t *testing.T) {
	t.Run("go on an ended scope panics", func(t *testing.T) {
		var leaked *group.Group
		group.RunWith(group.Options{Name: "load"}, func(g *group.Group) { leaked = g })
		require.Equal(t, `group: Go on group "load", which has ended`, caught(func() { leaked.Go(func() {}) }))
	})

	t.Run("a panic of body goes on when the tasks have ended", func(t *testing.T) {
		ended := false
		v := caught(func() {
			group.Run(func(g *group.Group) {
				g.Go(func() { runtime.Gosched(); ended = true })
				panic("body")
			})
		})
		require.Equal(t, "body", v)
		require.True(t, ended)
	})
}

func TestFork(t *testing.T) {
	var g group.Group
	f := group.Fork(&g, func() (int, error) { return 7, nil })
	v, err := f.Get()
	require.NoError(t, err)
	require.Equal(t, 7, v)
	p := group.Fork(&g, func() (int, error) { panic("boom") })
	require.Equal(t, "boom", caught(func() { p.Get() }).(*core.PanicError).Value)
	require.Equal(t, "boom", caught(g.Wait).(*core.PanicError).Value)
}
