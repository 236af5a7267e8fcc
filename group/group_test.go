package group_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/group"
)

func TestGo(t *testing.T) {
	t.Run("every task has run when wait returns, round after round", func(t *testing.T) {
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

	t.Run("a task waits for one that is started later", func(t *testing.T) {
		var g group.Group
		later := make(chan struct{})
		g.Go(func() { <-later })
		g.Go(func() { <-later })
		g.Go(func() { close(later) })
		g.Wait()
	})

	t.Run("tasks start tasks while wait waits", func(t *testing.T) {
		var g group.Group
		var ran atomic.Int32
		var tree func(depth int)
		tree = func(depth int) {
			ran.Add(1)
			if depth > 0 {
				g.Go(func() { tree(depth - 1) })
				g.Go(func() { tree(depth - 1) })
			}
		}
		g.Go(func() { tree(9) })
		g.Wait()
		require.EqualValues(t, 1023, ran.Load())
	})

	t.Run("wait covers what its caller has started, whoever else calls go", func(t *testing.T) {
		// The group believes in one P, so that a Go finds the searching worker
		// of another's Go and starts none itself.
		for range 300 {
			var g group.Group
			procs := runtime.GOMAXPROCS(1)
			g.Go(func() {})
			g.Go(func() {})
			runtime.GOMAXPROCS(max(procs, 4))
			var callers sync.WaitGroup
			for range 4 {
				callers.Go(func() {
					for range 20 {
						var ran atomic.Bool
						g.Go(func() { ran.Store(true) })
						g.Wait()
						if !ran.Load() {
							t.Error("wait returned before the task had run")
						}
					}
				})
			}
			callers.Wait()
			runtime.GOMAXPROCS(procs)
		}
	})

	t.Run("a task that has ended is not kept alive", func(t *testing.T) {
		var g group.Group
		var freed func() bool
		func() {
			big := new([1 << 16]byte)
			freed = child.Cleanup(big)
			for range 100 {
				g.Go(func() { runtime.KeepAlive(big) })
			}
			g.Wait()
		}()
		child.Collect(freed)
		runtime.KeepAlive(&g)
	})

	t.Run("the context of a task that has ended does not keep its function", func(t *testing.T) {
		var g group.Group
		var ended []context.Context
		var freed func() bool
		func() {
			big := new([1 << 16]byte)
			freed = child.Cleanup(big)
			f := func(ctx context.Context) {
				runtime.KeepAlive(big)
				ended = append(ended, ctx)
			}
			require.NoError(t, g.GoContext(t.Context(), f))
			g.Wait()
			g.Background(t.Context(), f)
			g.Wait()
		}()
		child.Collect(freed)
		runtime.KeepAlive(ended)
	})

	t.Run("a group in use allocates nothing for a task", func(t *testing.T) {
		if race.Hidden {
			t.Skip("a goroutine for each task")
		}
		var g group.Group
		f := func() {}
		round := func() {
			for range 1000 {
				g.Go(f)
			}
			g.Wait()
		}
		round()
		require.Less(t, testing.AllocsPerRun(20, round), 20.0) // a goroutine may be new to the runtime
	})

	t.Run("a group that is used again for one task at a time allocates nothing for it", func(t *testing.T) {
		if race.Hidden {
			t.Skip("each task has a goroutine of its own")
		}
		var g group.Group
		f := func() {}
		round := func() {
			g.Go(f)
			g.Wait()
		}
		round()
		require.Zero(t, testing.AllocsPerRun(100, round))
	})

	for tasks, allocs := range map[int]float64{1: 1, 10: 3} {
		t.Run(fmt.Sprintf("allocates %.0f times or less for %d tasks of a new group", allocs, tasks), func(t *testing.T) {
			if race.Hidden {
				t.Skip("each task has a goroutine of its own")
			}
			f := func() {}
			require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
				g := new(group.Group)
				for range tasks {
					g.Go(f)
				}
				g.Wait()
			}), allocs)
		})
	}
}

func TestWait(t *testing.T) {
	t.Run("on a group that never started a task it returns", func(t *testing.T) {
		var g group.Group
		g.Wait()
		require.NoError(t, g.WaitContext(t.Context()))
	})

	t.Run("several wait at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			release := make(chan struct{})
			g.Go(func() { <-release })
			var returned atomic.Int32
			for range 5 {
				go func() { g.Wait(); returned.Add(1) }()
			}
			synctest.Wait()
			require.Zero(t, returned.Load())
			close(release)
			synctest.Wait()
			require.EqualValues(t, 5, returned.Load())
		})
	})

	t.Run("go may race wait", func(t *testing.T) {
		var g group.Group
		var ran atomic.Int32
		var starters sync.WaitGroup
		for range 4 {
			starters.Go(func() {
				for range 500 {
					g.Go(func() { ran.Add(1) })
				}
			})
		}
		for range 100 {
			g.Wait()
		}
		starters.Wait()
		g.Wait()
		require.EqualValues(t, 2000, ran.Load())
	})
}

func TestWaitContext(t *testing.T) {
	t.Run("it gives up with the cause, and works when it is called again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			release := make(chan struct{})
			g.Go(func() { <-release })
			g.Go(func() { <-release })
			cause := errors.New("enough")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer cancel()
			err := g.WaitContext(ctx)
			require.EqualError(t, err, "group: 2 running: enough")
			var stuck *core.StuckError
			require.ErrorAs(t, err, &stuck)
			require.Equal(t, 2, stuck.Running)
			require.Empty(t, stuck.Tasks)
			require.ErrorIs(t, err, cause)
			close(release)
			require.NoError(t, g.WaitContext(t.Context()))
		})
	})

	t.Run("with a done context it says whether tasks run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			done, cancel := context.WithCancel(t.Context())
			cancel()
			for range 20 {
				ended := make(chan struct{})
				release := make(chan struct{})
				g.Go(func() { <-release })
				require.ErrorIs(t, g.WaitContext(done), context.Canceled)
				g.Go(func() { close(ended) })
				close(release)
				<-ended
				synctest.Wait()
				require.NoError(t, g.WaitContext(done), "no task runs, whatever the goroutines do")
			}
		})
	})

	t.Run("it raises what tasks raised", func(t *testing.T) {
		var g group.Group
		g.Go(func() { panic("boom") })
		require.Equal(t, "boom", caught(func() { _ = g.WaitContext(t.Context()) }).(*core.PanicError).Value)
		require.NoError(t, g.WaitContext(t.Context()))
		g.Go(runtime.Goexit)
		require.True(t, exited(func() { _ = g.WaitContext(t.Context()) }))
	})

	t.Run("what tasks raised is not lost by giving up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			release := make(chan struct{})
			g.Go(func() { panic("boom") })
			g.Go(func() { <-release })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.Error(t, g.WaitContext(ctx))
			close(release)
			require.Equal(t, "boom", caught(g.Wait).(*core.PanicError).Value)
		})
	})

	t.Run("within a task of the group it panics", func(t *testing.T) {
		g := group.New(group.Options{Name: "ingest"})
		var leaked context.Context
		require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
			leaked = ctx
			inner, cancel := context.WithCancel(ctx)
			defer cancel()
			_ = g.WaitContext(inner) //coterie:selfwait that it panics is the point
		}))
		p := caught(g.Wait).(*core.PanicError)
		require.Equal(t, `group: WaitContext on group "ingest" within one of its own tasks`, p.Value)
		require.NoError(t, g.WaitContext(leaked), "the task has ended")
		var other group.Group
		require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
			require.NoError(t, other.WaitContext(ctx))
			require.NoError(t, other.GoContext(ctx, func(ctx context.Context) { _ = g.WaitContext(ctx) }))
			other.Wait()
		}))
		p = caught(g.Wait).(*core.PanicError)
		require.Equal(t, `group: WaitContext on group "ingest" within one of its own tasks`, p.Value, "through another group")
	})
}

func TestGoContext(t *testing.T) {
	t.Run("f gets a context derived from ctx", func(t *testing.T) {
		type key struct{}
		var g group.Group
		var got any
		require.NoError(t, g.GoContext(context.WithValue(t.Context(), key{}, 7), func(ctx context.Context) { got = ctx.Value(key{}) }))
		g.Wait()
		require.Equal(t, 7, got)
	})

	t.Run("with a done context f does not start, even if there is room", func(t *testing.T) {
		var g group.Group
		cause := errors.New("too late")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		require.Equal(t, cause, g.GoContext(ctx, func(context.Context) { t.Error("ran") }))
		g.Wait()
	})

	t.Run("room that there is only after ctx is done is too late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			release := make(chan struct{})
			g.Go(func() { <-release })
			go func() {
				synctest.Wait()
				close(release)
			}()
			ctx := &doneAfterOne{Context: t.Context()}
			require.Equal(t, context.Canceled, g.GoContext(ctx, func(context.Context) { t.Error("ran") }))
			g.Wait()
			require.True(t, g.TryGo(func() {}), "no permit is lost")
			g.Wait()
		})
	})

	t.Run("it waits for room until ctx is done", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			release := make(chan struct{})
			g.Go(func() { <-release })
			cause := errors.New("enough")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer cancel()
			start := time.Now()
			require.Equal(t, cause, g.GoContext(ctx, func(context.Context) { t.Error("ran") }))
			require.Equal(t, time.Second, time.Since(start))
			require.Equal(t, 1, g.Running())
			close(release)
			g.Wait()
			ran := false
			require.NoError(t, g.GoContext(t.Context(), func(context.Context) { ran = true }))
			g.Wait()
			require.True(t, ran, "the room that was given up is free")
		})
	})
}

// A doneAfterOne is a context that is done when Err has been called once.
type doneAfterOne struct {
	context.Context
	called bool
}

func (c *doneAfterOne) Done() <-chan struct{} { return nil } // nobody sees it in time

func (c *doneAfterOne) Err() error {
	if !c.called {
		c.called = true
		return nil
	}
	return context.Canceled
}

// Everything is used in one bubble after another, by a group that outlives them.
var packageGroup group.Group

func TestBubbles(t *testing.T) {
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			packageGroup.SetLimit(2)
			release := make(chan struct{})
			packageGroup.Go(func() { <-release })
			packageGroup.GoNamed("second", func() { <-release })
			require.False(t, packageGroup.TryGo(func() {}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			require.ErrorIs(t, packageGroup.GoContext(ctx, func(context.Context) {}), context.DeadlineExceeded)
			ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			require.ErrorIs(t, packageGroup.WaitContext(ctx), context.DeadlineExceeded)
			var started, waited atomic.Bool
			blocking := false
			go func() {
				blocking = true
				packageGroup.Go(func() {})
				started.Store(true)
			}()
			go func() { packageGroup.Wait(); waited.Store(true) }()
			synctest.Wait()
			require.True(t, blocking)
			require.False(t, started.Load())
			require.False(t, waited.Load())
			close(release)
			synctest.Wait()
			require.True(t, started.Load())
			require.True(t, waited.Load())
			packageGroup.SetLimit(-1)
			future := group.Fork(&packageGroup, func() (time.Time, error) { time.Sleep(time.Hour); return time.Now(), nil })
			end, err := future.Get()
			require.NoError(t, err)
			require.Equal(t, time.Now(), end)
			packageGroup.Go(func() { panic("boom") })
			require.Equal(t, "boom", caught(packageGroup.Wait).(*core.PanicError).Value)
			packageGroup.Go(runtime.Goexit)
			require.True(t, exited(packageGroup.Wait))
		})
	}
}
