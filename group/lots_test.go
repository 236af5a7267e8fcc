package group_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// Tasks that are started while no goroutine of the group gets to run, as on one P,
// are taken together by the first that does.
func TestLots(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		t.Run(fmt.Sprintf("on %d P any task may wait for any other", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for _, n := range []int{2, 3, 27, 28, 29, 55, 56, 57, 82} {
				for _, at := range []int{0, 1, 2, 26, 27, 28, 29, 54} {
					synctest.Test(t, func(t *testing.T) {
						var g group.Group
						last := make(chan struct{})
						var ran atomic.Int32
						for i := range n {
							g.Go(func() {
								if ran.Add(1); i == n-1 {
									close(last)
								} else if i >= at {
									<-last
								}
							})
						}
						g.Wait()
						require.EqualValues(t, n, ran.Load())
					})
				}
			}
		})

		t.Run(fmt.Sprintf("on %d P each runs once, whichever panic or call goexit", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for _, limit := range []int{-1, 3} {
				for every := 2; every < 60; every += 3 {
					var g group.Group
					g.SetLimit(limit)
					var ran [90]atomic.Int32
					for i := range ran {
						g.Go(func() {
							ran[i].Add(1)
							switch i % every {
							case 1:
								runtime.Goexit()
							case every / 2:
								panic(i)
							}
						})
					}
					exited(g.Wait)
					for i := range ran {
						require.EqualValues(t, 1, ran[i].Load(), "task %d", i)
					}
					require.Zero(t, g.Running())
				}
			}
		})

		t.Run(fmt.Sprintf("on %d P set limit loses none of them and counts all", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			const n = 200
			for at := 0; at < n; at += 7 {
				var g group.Group
				var ran [n]atomic.Int32
				var accepted, ended atomic.Int32
				for i := range n {
					g.Go(func() {
						defer ended.Add(1)
						ran[i].Add(1)
						if i != at {
							return
						}
						before := int(accepted.Load())
						g.SetLimit(i % 5)
						running := g.Running()
						g.SetLimit(1 + i%3)
						require.GreaterOrEqual(t, running, before-int(ended.Load()))
					})
					accepted.Add(1)
				}
				for g.Running() > 0 {
					before := int(ended.Load())
					running := g.Running()
					// Ended ones count until their goroutines come back, of
					// which each has one.
					require.LessOrEqual(t, running, n-before+runtime.NumGoroutine())
					runtime.Gosched()
				}
				g.Wait()
				for i := range ran {
					require.EqualValues(t, 1, ran[i].Load(), "task %d", i)
				}
				g.SetLimit(2)
				release := make(chan struct{})
				require.True(t, g.TryGo(func() { <-release }))
				require.True(t, g.TryGo(func() { <-release }))
				require.False(t, g.TryGo(func() {}), "the limit holds")
				close(release)
				g.Wait()
			}
		})
	}

	t.Run("those behind one that blocks do not wait for a producer that never stops", func(t *testing.T) {
		const enough = 100_000
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		var g group.Group
		var others, behind atomic.Int64
		var stop atomic.Bool
		var more func()
		more = func() {
			if others.Add(1) < enough && !stop.Load() {
				g.Go(more)
			}
		}
		for range 200 {
			g.Go(more)
		}
		release, done := make(chan struct{}), make(chan struct{})
		g.Go(func() { <-release })
		const n = 20
		for range n {
			g.Go(func() {
				if behind.Add(1) == n {
					stop.Store(true)
					close(done)
				}
			})
		}
		<-done
		close(release)
		g.Wait()
		require.Less(t, others.Load(), int64(enough))
	})

	t.Run("one that has ended is not kept by those that still run", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		var g group.Group
		freed := make(chan struct{}, 20)
		release, blocks := make(chan struct{}), make(chan struct{})
		for range cap(freed) {
			big := new([1 << 16]byte)
			runtime.AddCleanup(big, func(ch chan struct{}) { ch <- struct{}{} }, freed)
			g.GoNamed("", func() { runtime.KeepAlive(big) })
		}
		for range 3 { // of those before, the last may be held by whoever has run it
			g.Go(func() { blocks <- struct{}{}; <-release })
		}
		for range 3 {
			<-blocks
		}
		for range 1000 {
			runtime.GC()
			runtime.Gosched() // to the clean-ups
			if len(freed) == cap(freed) {
				break
			}
		}
		require.Len(t, freed, cap(freed))
		close(release)
		g.Wait()
	})

	t.Run("a limit that is taken away leaves none behind that is queued", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		for at := range 60 {
			g := group.New(group.Options{Limit: 100})
			var ran [60]atomic.Int32
			for i := range ran {
				g.Go(func() {
					if ran[i].Add(1); i == at {
						g.SetLimit(-1)
					}
				})
			}
			g.Wait()
			for i := range ran {
				require.EqualValues(t, 1, ran[i].Load(), "task %d", i)
			}
		}
	})

	t.Run("the list of them stays whole, whichever leaves", func(t *testing.T) {
		require.Equal(t, []uint32{1, 2, 3, 4}, group.LotsBut(4))
		require.Equal(t, []uint32{2, 3, 4}, group.LotsBut(4, 1))
		require.Equal(t, []uint32{1, 3, 4}, group.LotsBut(4, 2))
		require.Equal(t, []uint32{1, 2, 3}, group.LotsBut(4, 4))
		require.Equal(t, []uint32{1, 4}, group.LotsBut(4, 2, 3))
		require.Equal(t, []uint32{1, 4}, group.LotsBut(4, 3, 2))
		require.Empty(t, group.LotsBut(3, 3, 1, 2))
	})

	t.Run("running counts those that nobody has begun", func(t *testing.T) {
		if core.RaceHidden {
			t.Skip("each has begun")
		}
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		var g group.Group
		var accepted, ended atomic.Int32
		for range 100 {
			g.Go(func() {
				before := accepted.Load()
				running := g.Running()
				require.GreaterOrEqual(t, running, int(before-ended.Load()))
				ended.Add(1)
			})
			accepted.Add(1)
		}
		g.Wait()
	})
}
