package pool_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

// loops are the five functions, as loops over 0..n-1.
var loops = map[string]func(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error{
	"For": pool.For,
	"MapSlice": func(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
		in := make([]int, n)
		for i := range in {
			in[i] = i
		}
		_, err := pool.MapSlice(ctx, workers, in, func(ctx context.Context, i int) (int, error) { return i, f(ctx, i) })
		return err
	},
	"Each": func(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
		return pool.Each(ctx, workers, (&input{n: n}).seq, f)
	},
	"Map":          overMap(pool.Map[int, int]),
	"MapUnordered": overMap(pool.MapUnordered[int, int]),
}

func overMap(m mapper) func(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	return func(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
		for _, err := range m(ctx, workers, (&input{n: n}).seq, func(ctx context.Context, i int) (int, error) { return i, f(ctx, i) }) {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// Loops within items of loops.
func TestNestedLoops(t *testing.T) {
	for outer, loopOuter := range loops {
		for inner, loopInner := range loops {
			t.Run(inner+" within "+outer, func(t *testing.T) {
				t.Run("stays within the workers of the outermost, three deep", func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						for _, workers := range []int{1, 2, 8} {
							var g gauge
							var calls atomic.Int32
							require.NoError(t, loopOuter(t.Context(), workers, 6, func(ctx context.Context, i int) error {
								return loopInner(ctx, 8, 5, func(ctx context.Context, j int) error {
									return loopInner(ctx, 8, 4, func(ctx context.Context, k int) error {
										g.enter()
										defer g.leave()
										calls.Add(1)
										time.Sleep(time.Duration(i+j+k) * time.Millisecond)
										return nil
									})
								})
							}))
							require.EqualValues(t, 6*5*4, calls.Load())
							require.LessOrEqual(t, int(g.most.Load()), workers)
							// When a worker becomes free, a loop asks for it only when an item begins or ends.
							require.GreaterOrEqual(t, int(g.most.Load()), min(workers, 6))
						}
					})
				})

				t.Run("uses the workers that the outermost does not", func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						start := time.Now()
						require.NoError(t, loopOuter(t.Context(), 8, 2, func(ctx context.Context, i int) error {
							return loopInner(ctx, 4, 8, func(context.Context, int) error {
								time.Sleep(time.Second)
								return nil
							})
						}))
						require.Equal(t, 2*time.Second, time.Since(start))
					})
				})

				t.Run("uses workers that become free", func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						start := time.Now()
						require.NoError(t, loopOuter(t.Context(), 4, 4, func(ctx context.Context, i int) error {
							if i > 0 {
								time.Sleep(time.Second)
								return nil
							}
							return loopInner(ctx, 4, 401, func(context.Context, int) error {
								time.Sleep(time.Second)
								return nil
							})
						}))
						// One in the first second, perhaps in the second, and then four in each.
						require.LessOrEqual(t, time.Since(start), 102*time.Second)
					})
				})

				t.Run("raises errors, panics and Goexits", func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						broken := errors.New("broken")
						run := func(fail func() error) error {
							return loopOuter(t.Context(), 2, 4, func(ctx context.Context, i int) error {
								return loopInner(ctx, 2, 4, func(ctx context.Context, j int) error {
									if i == 2 && j == 2 {
										return fail()
									}
									return nil
								})
							})
						}
						require.Equal(t, broken, run(func() error { return broken }))
						p := caught(func() { run(func() error { explode(); return nil }) }).(*core.PanicError)
						require.Equal(t, "boom", p.Value)
						require.Contains(t, string(p.Stack), "pool_test.explode")
						returned := false
						done := make(chan struct{})
						go func() {
							defer close(done)
							run(func() error { runtime.Goexit(); return nil })
							returned = true
						}()
						<-done
						require.False(t, returned)
					})
				})
			})
		}
	}
}

// Quick items travel in blocks, of which no further one starts when the context ends.
func TestLoopEndsWithinABlock(t *testing.T) {
	for name, loop := range loops {
		for _, workers := range []int{1, 2} {
			went := 0 // loops that went on
			for at := range 9 {
				ctx, cancel := context.WithCancel(t.Context())
				var noticed atomic.Bool
				var after atomic.Int32
				require.Equal(t, context.Canceled, loop(ctx, workers, 100_000, func(_ context.Context, i int) error {
					if noticed.Load() {
						after.Add(1)
					}
					if i == 5000+at {
						cancel()
						for range 1000 { // enough for what reacts to the end, unless the system withholds its thread
							runtime.Gosched()
						}
						noticed.Store(true)
					}
					return nil
				}))
				if int(after.Load()) >= workers { // another worker may have been about to start one
					went++
				}
			}
			require.Less(t, went, 5, "%s, %d workers", name, workers)
		}
	}
}

func TestMapWithinLoop(t *testing.T) {
	t.Run("workers of Each that wait for input until it ends are free then", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			require.NoError(t, pool.Each(t.Context(), 4, func(yield func(int) bool) {
				for i := range 4 {
					if !yield(i) {
						return
					}
				}
				time.Sleep(2500 * time.Millisecond)
			}, func(ctx context.Context, i int) error {
				if i > 0 {
					time.Sleep(time.Second)
					return nil
				}
				time.Sleep(100 * time.Millisecond) // until each worker has an item
				return pool.For(ctx, 4, 403, func(context.Context, int) error {
					time.Sleep(time.Second)
					return nil
				})
			}))
			require.Equal(t, 103*time.Second+100*time.Millisecond, time.Since(start))
		})
	})
}

// A worker that has no room for a further result does not wait for it: the body of the
// loop may wait for a task that needs the worker.
func TestMapInPoolKeepsNoWorker(t *testing.T) {
	for name, loop := range map[string]mapper{"Map": pool.Map[int, int], "MapUnordered": pool.MapUnordered[int, int]} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, took := range []time.Duration{0, time.Millisecond} {
					p := pool.New(2, pool.Options{})
					yielded := 0
					require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
						for _, err := range loop(ctx, 2, (&input{n: 100}).seq, sleeper(took)) {
							if err != nil {
								panic(err)
							}
							yielded++
							done := make(chan struct{})
							p.Go(func() { close(done) })
							<-done
						}
					}))
					p.Wait()
					p.Close()
					require.Equal(t, 100, yielded)
				}
			})
		})
	}
}

// It comes back when there is room.
func TestMapInPoolWithSlowBody(t *testing.T) {
	for name, loop := range map[string]mapper{"Map": pool.Map[int, int], "MapUnordered": pool.MapUnordered[int, int]} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct{ workers, item, body, took int }{ // in seconds, for 60 items
				{2, 1, 1, 61},
				{2, 1, 3, 181},
				{2, 3, 1, 92},
				{3, 1, 1, 61},
			} {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(c.workers, pool.Options{})
					start := time.Now()
					require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
						for range loop(ctx, c.workers, (&input{n: 60}).seq, sleeper(time.Duration(c.item)*time.Second)) {
							time.Sleep(time.Duration(c.body) * time.Second)
						}
					}))
					p.Wait()
					require.Equal(t, time.Duration(c.took)*time.Second, time.Since(start), "%+v", c)
					p.Close()
				})
			}
		})
	}
}

// Loops within tasks of a pool.
func TestLoopsInPool(t *testing.T) {
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			t.Run("stays within the pool's limit, in tasks that fill it", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					for _, workers := range []int{1, 2, 8} {
						p := pool.New(workers, pool.Options{Queue: 4})
						var g gauge
						var calls atomic.Int32
						b := p.Batch(t.Context())
						for range 12 {
							require.NoError(t, b.GoContext(t.Context(), func(ctx context.Context) {
								err := loop(ctx, 8, 10, func(ctx context.Context, i int) error {
									return loop(ctx, 8, 3, func(ctx context.Context, j int) error {
										g.enter()
										defer g.leave()
										calls.Add(1)
										time.Sleep(time.Duration(1+i%3) * time.Millisecond)
										return nil
									})
								})
								if err != nil {
									panic(err)
								}
							}))
						}
						b.Wait()
						p.Close()
						require.EqualValues(t, 12*10*3, calls.Load())
						require.EqualValues(t, workers, g.most.Load())
					}
				})
			})

			t.Run("uses the pool's free workers", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(4, pool.Options{})
					defer p.Close()
					start := time.Now()
					future, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
						return 0, loop(ctx, 8, 12, func(context.Context, int) error {
							time.Sleep(time.Second)
							return nil
						})
					})
					require.NoError(t, err)
					_, err = future.Get()
					require.NoError(t, err)
					require.Equal(t, 3*time.Second, time.Since(start))
				})
			})

			t.Run("raises errors and panics", func(t *testing.T) {
				p := pool.New(1, pool.Options{})
				defer p.Close()
				broken := errors.New("broken")
				run := func(fail func() error) (any, error) {
					future, err := pool.Submit(t.Context(), p, func(ctx context.Context) (any, error) {
						var err error
						v := caught(func() {
							err = loop(ctx, 8, 100, func(_ context.Context, i int) error {
								if i == 50 {
									return fail()
								}
								return nil
							})
						})
						return v, err
					})
					require.NoError(t, err)
					return future.Get()
				}
				_, err := run(func() error { return broken })
				require.Equal(t, broken, err)
				v, _ := run(func() error { explode(); return nil })
				require.Equal(t, "boom", v.(*core.PanicError).Value)
				require.Zero(t, p.Stats().Queued)
			})
		})
	}
}
