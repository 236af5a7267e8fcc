package group_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/group"
)

func TestRoom(t *testing.T) {
	t.Run("who waits is served in turn, also when some give up or may do so", func(t *testing.T) {
		for _, shared := range []*core.Semaphore{nil, core.NewSemaphore(1)} {
			synctest.Test(t, func(t *testing.T) {
				g := group.New(group.Options{Limit: 1, Semaphore: shared})
				release := make(chan struct{})
				g.Go(func() { <-release })
				order := make(chan int, 12)
				giveUp, cancel := context.WithCancel(t.Context())
				for i := range 12 {
					f := func() { order <- i }
					go func() {
						switch i % 4 {
						case 0, 1:
							g.Go(f)
						case 2:
							assert.NoError(t, g.GoContext(t.Context(), func(context.Context) { f() }))
						case 3:
							assert.ErrorIs(t, g.GoContext(giveUp, func(context.Context) { f() }), context.Canceled)
						}
					}()
					synctest.Wait()
				}
				require.False(t, g.TryGo(func() {}))
				cancel()
				synctest.Wait()
				close(release)
				synctest.Wait()
				for _, want := range []int{0, 1, 2, 4, 5, 6, 8, 9, 10} {
					require.Equal(t, want, <-order)
				}
				require.Empty(t, order)
				require.True(t, g.TryGo(func() {}))
				g.Wait()
			})
		}
	})

	t.Run("who waits has a task started that does not wait for its submitter", func(t *testing.T) {
		if race.Hidden {
			t.Skip("each starts its own")
		}
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.SetLimit(0)
			release := make(chan struct{})
			for range 5 {
				go g.Go(func() { <-release })
			}
			synctest.Wait()
			require.Zero(t, g.Running())
			g.SetLimit(3)
			require.Equal(t, 3, g.Running())
			g.SetLimit(4)
			require.Equal(t, 4, g.Running(), "though the queue is not empty")
			g.SetLimit(-1)
			g.SetLimit(0)
			require.Equal(t, 5, g.Running(), "though the limit has gone down again")
			close(release)
			g.Wait()
		})
	})

	t.Run("a task that ends makes room at once, and so does one that panics or calls goexit", func(t *testing.T) {
		for _, end := range []func(){func() {}, func() { panic("end") }, runtime.Goexit} {
			synctest.Test(t, func(t *testing.T) {
				g := group.New(group.Options{Limit: 1})
				release := make(chan struct{})
				g.Go(func() { <-release; end() })
				var started atomic.Int32
				for range 3 {
					go func() { g.Go(func() { started.Add(1); end() }) }()
				}
				synctest.Wait()
				require.Zero(t, started.Load())
				close(release)
				synctest.Wait()
				require.EqualValues(t, 3, started.Load())
				exited(g.Wait)
			})
		}
	})

	t.Run("who gives up while a permit is lacking lets the next one in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(1)
			require.NoError(t, shared.Acquire(t.Context(), 1))
			g := group.New(group.Options{Limit: 1, Semaphore: shared})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { assert.Error(t, g.GoContext(ctx, func(context.Context) {})) }()
			synctest.Wait()
			var ran atomic.Bool
			go g.Go(func() { ran.Store(true) })
			synctest.Wait()
			cancel()
			synctest.Wait()
			shared.Release(1)
			synctest.Wait()
			require.True(t, ran.Load())
			g.Wait()
		})
	})

	t.Run("a task that has waited for room and ended is not kept alive", func(t *testing.T) {
		g := group.New(group.Options{Limit: 1})
		freed := make(chan struct{})
		release := make(chan struct{})
		g.Go(func() { <-release })
		func() {
			big := new([1 << 16]byte)
			runtime.AddCleanup(big, func(ch chan struct{}) { close(ch) }, freed)
			go g.Go(func() { runtime.KeepAlive(big) })
		}()
		for range 1000 {
			runtime.Gosched()
		}
		close(release)
		for range 100 {
			g.Wait()
			runtime.GC()
			select {
			case <-freed:
				runtime.KeepAlive(g)
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
		t.Error("the group holds on to a task")
	})

	t.Run("go context that waits when the scope ends panics, whether or not it can give up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			raised := make(chan any, 2)
			group.Run(func(g *group.Group) {
				g.SetLimit(0)
				for _, ctx := range []context.Context{t.Context(), context.Background()} {
					go func() {
						raised <- caught(func() { _ = g.GoContext(ctx, func(context.Context) {}) })
					}()
				}
				synctest.Wait()
			})
			for range cap(raised) {
				require.Equal(t, "group: Go on a group, which has ended", <-raised)
			}
		})
	})
}

// A submitter stands for a searching worker while it yields. An accepted task does not
// wait for an instant at which nobody does.
func TestStormOfSubmittersWhoGiveUp(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // where they take turns
	g := group.New(group.Options{})
	g.SetLimit(0)
	waits := func(n int) {
		for g.Waiting() != n {
			runtime.Gosched()
		}
	}
	second := make(chan struct{})
	var ended core.WaitGroup
	var started atomic.Bool
	goes := func(f func()) {
		ended.Add(1)
		go func() { defer ended.Done(); f() }()
	}
	goes(func() { g.Go(func() { <-second }) })
	waits(1)
	goes(func() { g.Go(func() { started.Store(true); close(second) }) })
	waits(2)
	var calls atomic.Int64 // of the storm, so that it ends also if the test fails
	for range 8 {
		goes(func() {
			for !started.Load() && calls.Add(1) < 500_000 {
				_ = g.GoContext(&doneSoon{Context: t.Context()}, func(context.Context) {})
			}
		})
	}
	for calls.Load() < 1000 {
		runtime.Gosched()
	}
	g.SetLimit(2)
	ended.Wait()
	require.Less(t, calls.Load(), int64(500_000), "calls before the second task started")
	g.Wait()
}

// doneSoon is a context that is done when somebody waits for it.
type doneSoon struct {
	context.Context
	asked atomic.Bool
}

func (d *doneSoon) Err() error {
	if d.asked.Swap(true) {
		return context.Canceled
	}
	return nil
}

func (*doneSoon) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}
