package group_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A gauge measures how many are inside at once.
type gauge struct{ now, most atomic.Int32 }

func (g *gauge) enter() {
	n := g.now.Add(1)
	for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
	}
}

func (g *gauge) leave() { g.now.Add(-1) }

func TestLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 17} {
		t.Run("no more tasks run, or are accepted, than the limit allows", func(t *testing.T) {
			g := group.New(group.Options{Limit: limit})
			var inside gauge
			var accepted, ran atomic.Int32
			var starters sync.WaitGroup
			for range 3 {
				starters.Go(func() {
					for i := range 300 {
						g.Go(func() {
							inside.enter()
							defer inside.leave()
							if n := g.Running(); n > limit {
								t.Errorf("%d accepted", n)
							}
							if i%3 == 0 {
								runtime.Gosched()
							}
							ran.Add(1)
							switch i % 10 {
							case 8:
								panic("eight")
							case 9:
								runtime.Goexit()
							}
						})
						accepted.Add(1)
					}
				})
			}
			starters.Wait()
			p := caught(g.Wait).(*core.PanicError)
			require.Equal(t, 89, len(p.Others)+p.More)
			require.LessOrEqual(t, int(inside.most.Load()), limit)
			require.EqualValues(t, 900, ran.Load())
			require.EqualValues(t, 900, accepted.Load())
			for range limit {
				require.True(t, g.TryGo(func() { runtime.Gosched() }), "all permits are back")
				for g.Running() > 0 {
					runtime.Gosched()
				}
			}
			g.Wait()
		})
	}

	t.Run("the verbs share the room", func(t *testing.T) {
		g := group.New(group.Options{Limit: 2})
		release := make(chan struct{})
		require.NoError(t, g.GoContext(t.Context(), func(context.Context) { <-release }))
		g.Go(func() { <-release })
		require.False(t, g.TryGo(func() {}))
		close(release)
		g.Wait()
	})

	t.Run("limit tasks do run at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 5})
			start := time.Now()
			for range 50 {
				g.Go(func() { time.Sleep(time.Second) })
			}
			require.Equal(t, 9*time.Second, time.Since(start), "go blocks its caller beyond the limit")
			g.Wait()
			require.Equal(t, 10*time.Second, time.Since(start))
		})
	})

	t.Run("one that ends lets one in, though the others block for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 4})
			release, one := make(chan struct{}), make(chan struct{})
			for range 3 {
				g.Go(func() { <-release })
			}
			g.Go(func() { <-one })
			var in atomic.Int32
			for range 3 {
				go g.Go(func() { in.Add(1); <-release })
			}
			synctest.Wait()
			require.Zero(t, in.Load())
			close(one)
			synctest.Wait()
			require.EqualValues(t, 1, in.Load())
			close(release)
			synctest.Wait()
			require.EqualValues(t, 3, in.Load())
			g.Wait()
		})
	})

	t.Run("a task on the place of another runs, too", func(t *testing.T) {
		g := group.New(group.Options{Limit: 1})
		running := 0
		require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
			require.NoError(t, g.GoContext(ctx, func(context.Context) { running = g.Running() }))
		}))
		g.Wait()
		require.Equal(t, 2, running)
	})

	// The worker yields before it leaves, and so may find a later task.
	t.Run("wait returns when its tasks have ended, also if another follows at once", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		returned := 0
		for range 100 { // the later task may begin before the earlier one counts as ended, and then Wait covers it
			synctest.Test(t, func(t *testing.T) {
				g := group.New(group.Options{Limit: 1})
				begin, end := make(chan struct{}), make(chan struct{})
				var ended, waited atomic.Bool
				g.Go(func() { <-begin; ended.Store(true) })
				go func() { g.Wait(); waited.Store(true) }()
				synctest.Wait()
				close(begin)
				for !ended.Load() {
					runtime.Gosched()
				}
				g.Go(func() { <-end })
				synctest.Wait()
				if waited.Load() {
					returned++
				}
				close(end)
				g.Wait()
			})
		}
		require.NotZero(t, returned)
	})
}

func TestSetLimit(t *testing.T) {
	t.Run("a task that no longer counts leaves room for try go", func(t *testing.T) {
		g := group.New(group.Options{Limit: 1})
		for range 2000 {
			g.Go(func() {})
			for g.Running() > 0 {
				runtime.Gosched()
			}
			require.True(t, g.TryGo(func() {}))
			g.Wait()
		}
	})

	t.Run("tasks that run count", func(t *testing.T) {
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
			require.True(t, g.TryGo(func() { <-release }))
			require.False(t, g.TryGo(func() {}))
			close(release)
			g.Wait()
		})
	})

	t.Run("up, down, to nothing, to zero, while tasks come and go", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 2})
			var inside gauge
			var started atomic.Int32
			go func() {
				for range 40 {
					g.Go(func() { inside.enter(); defer inside.leave(); time.Sleep(time.Second) })
					started.Add(1)
				}
			}()
			time.Sleep(100 * time.Millisecond)
			set := func(limit int, wantNow, wantSoon int32) {
				g.SetLimit(limit)
				synctest.Wait()
				require.Equal(t, wantNow, inside.now.Load(), "at once, with limit %d", limit)
				time.Sleep(1100 * time.Millisecond)
				synctest.Wait()
				require.Equal(t, wantSoon, inside.now.Load(), "with limit %d", limit)
			}
			set(4, 4, 4)
			set(1, 4, 1)
			set(0, 1, 0)
			set(3, 3, 3)
			rest := 40 - started.Load()
			set(-1, 3+rest, 0)
			g.Wait()
			require.EqualValues(t, 40, started.Load())
		})
	})

	t.Run("tasks that were accepted before begin", func(t *testing.T) {
		for _, limit := range []int{0, 1, 100} { // 0 is none
			synctest.Test(t, func(t *testing.T) {
				g := group.New(group.Options{Limit: limit})
				var ran atomic.Int32
				accepted := int32(0)
				for range 100 {
					if g.TryGo(func() { ran.Add(1) }) {
						accepted++
					}
				}
				g.SetLimit(0)
				g.Wait()
				require.Equal(t, accepted, ran.Load())
				require.False(t, g.TryGo(func() {}))
			})
		}
	})

	t.Run("zero pauses, also with permits that came back before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 3})
			release := make(chan struct{})
			for range 3 {
				g.Go(func() { <-release })
			}
			release <- struct{}{}
			synctest.Wait()
			g.SetLimit(0)
			close(release)
			g.Wait()
			require.False(t, g.TryGo(func() {}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			require.ErrorIs(t, g.GoContext(ctx, func(context.Context) {}), context.DeadlineExceeded)
			g.SetLimit(1)
			release = make(chan struct{})
			require.True(t, g.TryGo(func() { <-release }))
			require.False(t, g.TryGo(func() {}))
			close(release)
			g.Wait()
		})
	})

	t.Run("raising the limit wakes those who wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			release := make(chan struct{})
			g.Go(func() { <-release })
			var in atomic.Int32
			for range 3 {
				go g.Go(func() { in.Add(1); <-release })
			}
			synctest.Wait()
			require.Zero(t, in.Load())
			g.SetLimit(3)
			synctest.Wait()
			require.EqualValues(t, 2, in.Load())
			close(release)
			synctest.Wait()
			g.Wait()
			require.EqualValues(t, 3, in.Load())
		})
	})

	t.Run("at random moments it loses no permit and no caller", func(t *testing.T) {
		for range 20 {
			var g group.Group
			var inside gauge
			var ran, gaveUp atomic.Int32
			var starters sync.WaitGroup
			const starts, most = 200, 6
			g.SetLimit(1)
			for k := range 4 {
				starters.Go(func() {
					for i := range starts {
						f := func() {
							inside.enter()
							if rand.IntN(3) == 0 {
								runtime.Gosched()
							}
							ran.Add(1)
							inside.leave()
						}
						if k > 0 {
							g.Go(f)
							continue
						}
						ctx, cancel := context.WithCancel(context.Background())
						if i%2 == 0 {
							go cancel()
						}
						if g.GoContext(ctx, func(context.Context) { f() }) != nil {
							gaveUp.Add(1)
						}
						cancel()
					}
				})
			}
			stop := make(chan struct{})
			var setter sync.WaitGroup
			setter.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						g.SetLimit(rand.IntN(most + 1))
						runtime.Gosched()
						g.SetLimit(1 + rand.IntN(most))
					}
				}
			})
			starters.Wait()
			close(stop)
			setter.Wait()
			g.Wait()
			require.EqualValues(t, 4*starts, ran.Load()+gaveUp.Load())
			require.LessOrEqual(t, int(inside.most.Load()), most)
			g.SetLimit(most)
			release := make(chan struct{})
			for range most {
				require.True(t, g.TryGo(func() { <-release }), "all permits are back")
			}
			require.False(t, g.TryGo(func() {}))
			close(release)
			g.Wait()
		}
	})
}

func TestSharedSemaphore(t *testing.T) {
	t.Run("the sum of two groups stays within it", func(t *testing.T) {
		shared := core.NewSemaphore(3)
		groups := []*group.Group{
			group.New(group.Options{Semaphore: shared}),
			group.New(group.Options{Semaphore: shared, Limit: 2}),
		}
		var inside gauge
		var starters sync.WaitGroup
		for _, g := range groups {
			for range 2 {
				starters.Go(func() {
					for range 200 {
						g.Go(func() { inside.enter(); runtime.Gosched(); inside.leave() })
						g.TryGo(func() { inside.enter(); runtime.Gosched(); inside.leave() })
					}
				})
			}
		}
		starters.Wait()
		for _, g := range groups {
			g.Wait()
		}
		require.LessOrEqual(t, int(inside.most.Load()), 3)
		require.Zero(t, shared.InUse())
	})

	t.Run("two groups together use all of it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(3)
			groups := []*group.Group{
				group.New(group.Options{Semaphore: shared}),
				group.New(group.Options{Semaphore: shared, Limit: 2}),
			}
			for range 15 {
				for _, g := range groups {
					go g.Go(func() { time.Sleep(time.Second) })
				}
			}
			synctest.Wait()
			require.EqualValues(t, 3, shared.InUse())
			require.Equal(t, 3, groups[0].Running()+groups[1].Running())
			for range 20 {
				time.Sleep(time.Second)
			}
			synctest.Wait()
			require.Zero(t, shared.InUse())
			require.Zero(t, groups[0].Running()+groups[1].Running())
		})
	})

	t.Run("a group at its own limit takes no permit of others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(2)
			g := group.New(group.Options{Semaphore: shared, Limit: 1})
			release := make(chan struct{})
			g.Go(func() { <-release })
			go g.Go(func() {})
			synctest.Wait()
			require.EqualValues(t, 1, shared.InUse())
			close(release)
			synctest.Wait()
			g.Wait()
			require.Zero(t, shared.InUse())
		})
	})

	t.Run("a task that lends its permit to another group has the limit of that group hold", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(2)
			outer := group.New(group.Options{Semaphore: shared})
			inner := group.New(group.Options{Semaphore: shared, Limit: 1})
			var inside gauge
			for range 2 {
				require.NoError(t, outer.GoContext(t.Context(), func(ctx context.Context) {
					time.Sleep(time.Second)
					require.NoError(t, inner.GoContext(ctx, func(context.Context) {
						inside.enter()
						time.Sleep(time.Second)
						inside.leave()
					}))
				}))
			}
			outer.Wait()
			inner.Wait()
			require.EqualValues(t, 1, inside.most.Load())
			require.True(t, inner.TryGo(func() {}))
			inner.Wait()
			require.Zero(t, shared.InUse())
		})
	})

	t.Run("a task that lends its permit within its own group leaves the limit as it was", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(1)
			g := group.New(group.Options{Semaphore: shared, Limit: 3})
			require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
				for range 5 {
					require.NoError(t, g.GoContext(ctx, func(context.Context) {}))
				}
			}))
			g.Wait()
			shared.SetLimit(10)
			for i := range 5 {
				require.Equal(t, i < 3, g.TryGo(func() { time.Sleep(time.Second) }))
			}
			g.Wait()
			require.Zero(t, shared.InUse())
		})
	})

	t.Run("a task on the permit of another of its group takes no place of its own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(1)
			g := group.New(group.Options{Semaphore: shared, Limit: 2})
			require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
				require.NoError(t, g.GoContext(ctx, func(context.Context) { time.Sleep(time.Second) }))
			}))
			synctest.Wait()
			shared.SetLimit(2)
			require.True(t, g.TryGo(func() {}))
			g.Wait()
			require.Zero(t, shared.InUse())
		})
	})

	t.Run("who waits for it neither loses nor keeps a permit when a limit is set", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(1)
			g := group.New(group.Options{Semaphore: shared})
			require.NoError(t, shared.Acquire(t.Context(), 1))
			var ran atomic.Bool
			go g.Go(func() { ran.Store(true) })
			synctest.Wait()
			g.SetLimit(0)
			shared.Release(1)
			synctest.Wait()
			require.False(t, ran.Load())
			require.Zero(t, shared.InUse())
			require.False(t, g.TryGo(func() {}))
			require.Zero(t, shared.InUse())
			g.SetLimit(1)
			synctest.Wait()
			require.True(t, ran.Load())
			g.Wait()
			require.Zero(t, shared.InUse())
		})
	})

	t.Run("giving up while it is waited for gives the group's own permit back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(1)
			g := group.New(group.Options{Semaphore: shared, Limit: 1})
			require.NoError(t, shared.Acquire(t.Context(), 1))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.Error(t, g.GoContext(ctx, func(context.Context) {}))
			require.False(t, g.TryGo(func() {}))
			shared.Release(1)
			require.True(t, g.TryGo(func() {}))
			g.Wait()
			require.Zero(t, shared.InUse())
		})
	})
}
