package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/pool"
)

func TestFor(t *testing.T) {
	t.Run("calls f once for each index", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			sizes := []int{0, 1, 2, 3, 10, 1000}
			if !raceBuild {
				sizes = append(sizes, 100_000)
			}
			for _, n := range sizes {
				for _, workers := range []int{0, 1, 2, 8, 1000} {
					calls := make([]atomic.Int32, n)
					require.NoError(t, pool.For(here.ctx, workers, n, func(_ context.Context, i int) error {
						calls[i].Add(1)
						return nil
					}))
					for i := range calls {
						if calls[i].Load() != 1 {
							require.Fail(t, "not once", "index %d of %d: %d times", i, n, calls[i].Load())
						}
					}
				}
			}
		})
	})

	t.Run("takes more indexes than a range holds", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			if strconv.IntSize == 32 {
				t.Skip("there are none")
			}
			enough := errors.New("enough")
			err := pool.For(here.ctx, 1, math.MaxInt, func(_ context.Context, i int) error {
				if i < 0 || i == 1000 {
					return enough
				}
				return nil
			})
			require.Equal(t, enough, err)
		})
	})

	t.Run("comes to the indexes after those that a range holds", func(t *testing.T) {
		if strconv.IntSize == 32 {
			t.Skip("there are none")
		}
		child.Long(t)
		var calls [3]atomic.Int32
		n := math.MaxInt32
		n += len(calls)
		require.NoError(t, pool.For(t.Context(), 0, n, func(_ context.Context, i int) error {
			if i >= math.MaxInt32 {
				calls[i-math.MaxInt32].Add(1)
			}
			return nil
		}))
		for i := range calls {
			require.EqualValues(t, 1, calls[i].Load())
		}
	})

	t.Run("comes to the last index that an int holds, and to none after it", func(t *testing.T) {
		if strconv.IntSize > 32 {
			t.Skip("it would take too long")
		}
		child.Long(t)
		beyond := errors.New("beyond")
		var last atomic.Int32
		require.NoError(t, pool.For(t.Context(), 0, math.MaxInt, func(_ context.Context, i int) error {
			if i >= math.MaxInt-1 || i < 0 {
				last.Add(1)
				if i != math.MaxInt-1 {
					return beyond
				}
			}
			return nil
		}))
		require.EqualValues(t, 1, last.Load())
	})

	t.Run("no further item starts after an error, wherever in its stride a worker is", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			const n = 10_000
			type item = func(ctx context.Context, i int) error
			for name, loop := range map[string]func(workers int, f item) error{
				"For": func(workers int, f item) error { return pool.For(here.ctx, workers, n, f) },
				"MapSlice": func(workers int, f item) error {
					in := make([]int, n)
					for i := range in {
						in[i] = i
					}
					_, err := pool.MapSlice(here.ctx, workers, in, func(ctx context.Context, i int) (int, error) { return i, f(ctx, i) })
					return err
				},
			} {
				for i := range child.Many(7, 32) {
					at := 1000 + i*5%32 // by then the caller takes many at a time
					enough := errors.New("enough")
					t.Run(name+", its own", func(t *testing.T) {
						var calls atomic.Int32
						require.Equal(t, enough, loop(1, func(_ context.Context, i int) error {
							calls.Add(1)
							if i == at {
								return enough
							}
							return nil
						}))
						require.EqualValues(t, at+1, calls.Load())
					})
					if here.places == 1 {
						continue
					}
					t.Run(name+", another's", func(t *testing.T) {
						ready := make(chan struct{})
						var further atomic.Int32
						require.Equal(t, enough, loop(2, func(ctx context.Context, i int) error {
							switch {
							case i >= n/2: // the helper's first
								<-ready
								return enough
							case i == at:
								close(ready)
								<-ctx.Done()
							case i > at:
								further.Add(1)
							}
							return nil
						}))
						require.Zero(t, further.Load())
					})
				}
			}
		})
	})

	t.Run("every worker is busy from the first item", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			for _, workers := range []int{1, 2, 8} {
				for _, d := range []time.Duration{time.Nanosecond, time.Microsecond, 100 * time.Millisecond} {
					for _, rounds := range []int{1, 10} {
						start := time.Now()
						require.NoError(t, pool.For(here.ctx, workers, rounds*here.workers(workers), func(context.Context, int) error {
							time.Sleep(d)
							return nil
						}))
						require.Equal(t, time.Duration(rounds)*d, time.Since(start))
					}
				}
			}
		})
	})

	t.Run("every worker is busy from the first item by a real clock too", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			// Nobody returns before all have been called, but in the loops that are
			// just long: For begins otherwise after these.
			workers := here.workers(8)
			for _, long := range []bool{false, true, false, false, true, true, false} {
				n := workers
				if long {
					n = manyItems
				}
				var called atomic.Int32
				all := make(chan struct{})
				require.NoError(t, pool.For(here.ctx, 8, n, func(context.Context, int) error {
					if long {
						return nil
					}
					if called.Add(1) == int32(workers) {
						close(all)
					}
					<-all
					return nil
				}))
			}
		})
	})

	t.Run("items that turn slow share all workers again", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			start := time.Now()
			require.NoError(t, pool.For(here.ctx, 8, 1000+10*here.workers(8), func(_ context.Context, i int) error {
				if i >= 1000 {
					time.Sleep(100 * time.Millisecond)
				}
				return nil
			}))
			require.Equal(t, time.Second, time.Since(start))
		})
	})

	t.Run("items that turn slow share all workers again by a real clock too", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			// The last 2048 items block, until each worker runs one.
			var running atomic.Int32
			all := make(chan struct{})
			const n = 20_000
			require.NoError(t, pool.For(here.ctx, 8, n, func(_ context.Context, i int) error {
				if i >= n-2048 {
					if running.Add(1) == int32(here.workers(8)) {
						close(all)
					}
					<-all
				}
				return nil
			}))
		})
	})

	t.Run("no more items run at once than there are workers", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			for _, workers := range []int{1, 2, 3, 8} {
				var g gauge
				require.NoError(t, pool.For(here.ctx, workers, 1000, func(_ context.Context, i int) error {
					g.enter()
					defer g.leave()
					time.Sleep(time.Duration(i%7) * time.Microsecond)
					return nil
				}))
				require.EqualValues(t, here.workers(workers), g.most.Load())
			}
		})
	})

	t.Run("skewed items balance", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			for name, heavy := range map[string]func(i int) bool{
				"in front":  func(i int) bool { return i < 80 },
				"at end":    func(i int) bool { return i >= 920 },
				"scattered": func(i int) bool { return i%13 == 0 && i < 80*13 },
			} {
				start := time.Now()
				require.NoError(t, pool.For(here.ctx, 8, 1000, func(_ context.Context, i int) error {
					if heavy(i) {
						time.Sleep(time.Second)
					}
					return nil
				}))
				require.LessOrEqual(t, time.Since(start), 80*time.Second/time.Duration(here.workers(8)), name)
			}
		})
	})

	t.Run("a small trivial loop starts no goroutine", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			if raceBuild {
				t.Skip("nothing is small in this build")
			}
			starts := 0 // it may be preempted, and take longer than is small
			out := make([]int, 1000)
			for range 1000 {
				before := runtime.NumGoroutine()
				started := false
				require.NoError(t, pool.For(here.ctx, 8, len(out), func(_ context.Context, i int) error {
					started = started || i%100 == 0 && runtime.NumGoroutine() > before
					out[i] = i
					return nil
				}))
				if started {
					starts++
				}
			}
			require.Less(t, starts, 500)
		})
	})

	t.Run("allocates nothing for an item", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			if race.Hidden {
				t.Skip("an item has a goroutine of its own in this build")
			}
			f := func(context.Context, int) error { return nil }
			require.Less(t, testing.AllocsPerRun(5, func() { _ = pool.For(here.ctx, 2, 100_000, f) }), 50.)
		})
	})
}

func TestForError(t *testing.T) {
	broken := errors.New("broken")

	t.Run("is the first", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			for _, workers := range []int{1, 2, 8} {
				var running atomic.Int32
				require.Equal(t, broken, pool.For(here.ctx, workers, 1000, func(ctx context.Context, i int) error {
					running.Add(1)
					defer running.Add(-1)
					if i == 500 {
						return broken
					}
					select {
					case <-ctx.Done():
						return fmt.Errorf("item %d: %w", i, ctx.Err())
					case <-time.After(time.Duration(i) * time.Millisecond):
						return nil
					}
				}))
				require.Zero(t, running.Load())
			}
		})
	})

	t.Run("is the cause of the items' context", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			here.needs(t, 2)
			require.Equal(t, broken, pool.For(here.ctx, 2, 2, func(ctx context.Context, i int) error {
				if i == 0 {
					return broken
				}
				<-ctx.Done()
				require.Equal(t, context.Canceled, ctx.Err())
				require.Equal(t, broken, context.Cause(ctx))
				return nil
			}))
		})
	})

	t.Run("lets no further item start", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			var calls atomic.Int32
			require.Equal(t, broken, pool.For(here.ctx, 8, 1000, func(ctx context.Context, i int) error {
				calls.Add(1)
				time.Sleep(time.Second)
				return broken
			}))
			require.EqualValues(t, here.workers(8), calls.Load())
		})
	})

	t.Run("of a context that is done at the beginning", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			ctx, cancel := context.WithCancelCause(here.ctx)
			cancel(broken)
			f := func(context.Context, int) error { panic("ran") }
			require.Equal(t, broken, pool.For(ctx, 8, 10, f))
			require.NoError(t, pool.For(ctx, 8, 0, f))
		})
	})

	t.Run("of a context that is done in between", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			for _, heed := range []bool{false, true} {
				ctx, cancel := context.WithCancelCause(here.ctx)
				time.AfterFunc(2500*time.Millisecond, func() { cancel(broken) })
				var calls atomic.Int32
				require.Equal(t, broken, pool.For(ctx, 8, 1000, func(ctx context.Context, i int) error {
					calls.Add(1)
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
						if heed {
							return ctx.Err()
						}
					}
					return nil
				}))
				require.EqualValues(t, 3*here.workers(8), calls.Load())
			}
		})
	})

	t.Run("there is none if the context is done when every item has run", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			ctx, cancel := context.WithCancel(here.ctx)
			var calls atomic.Int32
			require.NoError(t, pool.For(ctx, 2, 10, func(context.Context, int) error {
				if calls.Add(1) == 10 {
					cancel()
				}
				return nil
			}))
		})
	})

	t.Run("of the context is noticed while items are quick", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			for _, workers := range []int{1, 2} {
				ctx, cancel := context.WithCancel(here.ctx)
				var after atomic.Int32
				require.Equal(t, context.Canceled, pool.For(ctx, workers, math.MaxInt32, func(_ context.Context, i int) error {
					if i == manyItems/10 {
						cancel()
					}
					if ctx.Err() != nil {
						after.Add(1)
					}
					return nil
				}))
				require.LessOrEqual(t, int(after.Load()), 128*workers)
			}
		})
	})
}

func TestForPanic(t *testing.T) {
	t.Run("is raised with its value and stack", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			for _, workers := range []int{1, 2, 8} {
				var running atomic.Int32
				p := caught(func() {
					_ = pool.For(here.ctx, workers, 100, func(ctx context.Context, i int) error {
						running.Add(1)
						defer running.Add(-1)
						time.Sleep(time.Millisecond)
						if i == 50 {
							explode()
						}
						return nil
					})
				})
				require.Equal(t, "boom", p.(*core.PanicError).Value)
				require.Contains(t, string(p.(*core.PanicError).Stack), "pool_test.explode")
				require.Zero(t, running.Load())
			}
		})
	})

	t.Run("goes before an error and a Goexit, with others", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			here.needs(t, 4)
			p := caught(func() {
				_ = pool.For(here.ctx, 8, 4, func(_ context.Context, i int) error {
					time.Sleep(time.Duration(i+1) * time.Second)
					switch i {
					case 0:
						return errors.New("broken")
					case 1:
						runtime.Goexit()
					}
					time.Sleep(time.Second)
					panic(i)
				})
			}).(*core.PanicError)
			require.Equal(t, 2, p.Value)
			require.Len(t, p.Others, 1)
			require.Equal(t, 3, p.Others[0].Value)
		})
	})

	t.Run("Goexit ends the goroutine when the others have ended", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			for _, workers := range []int{1, 2, 8} {
				for bad := range 10 {
					var running atomic.Int32
					returned := false
					done := make(chan struct{})
					go func() {
						defer close(done)
						_ = pool.For(here.ctx, workers, 10, func(_ context.Context, i int) error {
							running.Add(1)
							defer running.Add(-1)
							time.Sleep(time.Millisecond)
							if i == bad {
								runtime.Goexit()
							}
							return nil
						})
						returned = true
					}()
					<-done
					require.False(t, returned)
					require.Zero(t, running.Load())
				}
			}
		})
	})
}

func TestForBadInput(t *testing.T) {
	f := func(context.Context, int) error { return nil }
	require.Equal(t, "pool: nil context", caught(func() { _ = pool.For(nil, 1, 1, f) }))
	require.Equal(t, "pool: nil func", caught(func() { _ = pool.For(t.Context(), 1, 1, nil) }))
	require.Equal(t, "pool: negative count, got -1", caught(func() { _ = pool.For(t.Context(), 1, -1, f) }))
}

// The timer that watches a loop may have been set for an earlier one.
func TestForWhoseItemsMeetAfterAnotherLoop(t *testing.T) {
	for range 100 {
		require.NoError(t, pool.For(t.Context(), 2, 2, func(context.Context, int) error { return nil }))
		meet := make(chan struct{})
		require.NoError(t, pool.For(t.Context(), 2, 2, func(_ context.Context, i int) error {
			if i == 0 {
				meet <- struct{}{}
			} else {
				<-meet
			}
			return nil
		}))
	}
}
