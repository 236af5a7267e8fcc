package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// onProcs runs a test in fake time, with several numbers of processors.
func onProcs(t *testing.T, test func(t *testing.T)) {
	for _, procs := range []int{1, 2, 8} {
		t.Run(fmt.Sprintf("on %d Ps", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			synctest.Test(t, test)
		})
	}
}

// An outsider that waits for the batch of a task, or starts a further task of it with a context of its
// own, lends no place: it has none.
func TestOutsidersOfTheBatchOfATask(t *testing.T) {
	ways := map[string]func(t *testing.T, b *pool.Batch, work func()){
		"Wait":        func(_ *testing.T, b *pool.Batch, _ func()) { b.Wait() },
		"WaitContext": func(t *testing.T, b *pool.Batch, _ func()) { assert.NoError(t, b.WaitContext(t.Context())) },
		"GoContext": func(t *testing.T, b *pool.Batch, work func()) {
			assert.NoError(t, b.GoContext(t.Context(), func(context.Context) { work() }))
		},
	}
	for name, way := range ways {
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, with %d workers", name, workers), func(t *testing.T) {
				onProcs(t, func(t *testing.T) {
					const queue = 6
					p := pool.New(workers, pool.Options{Queue: queue})
					var inside gauge
					work := func() {
						inside.enter()
						time.Sleep(time.Second)
						inside.leave()
					}
					start := time.Now()
					batches := make(chan *pool.Batch, workers)
					for range workers {
						require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
							b := p.Batch(ctx)
							for range queue / workers {
								b.Go(work)
							}
							batches <- b
							inside.enter()
							time.Sleep(time.Minute)
							inside.leave()
						}))
					}
					var outsiders sync.WaitGroup
					for range workers {
						b := <-batches
						for range 5 {
							outsiders.Go(func() { way(t, b, work) })
						}
					}
					outsiders.Wait()
					p.Wait()
					require.EqualValues(t, workers, inside.most.Load())
					require.GreaterOrEqual(t, time.Since(start), time.Minute+queue/time.Duration(workers)*time.Second)
					p.Close()
				})
			})
		}
	}
}

// Where a task waits for goroutines of its own that wait for a batch, tasks of the batch run on its place.
func TestAHelperOfATaskDoesNotStarve(t *testing.T) {
	nothing := func() { time.Sleep(time.Second) }
	ways := map[string]func(ctx context.Context, p *pool.Pool, own *pool.Batch) error{
		"WaitContext with the task's context": func(ctx context.Context, _ *pool.Pool, own *pool.Batch) error {
			return own.WaitContext(ctx)
		},
		"WaitContext with one that derives from it": func(ctx context.Context, _ *pool.Pool, own *pool.Batch) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			return own.WaitContext(ctx)
		},
		"WaitContext for a batch that was not made by a task": func(ctx context.Context, p *pool.Pool, _ *pool.Batch) error {
			b := p.Batch(context.Background())
			if err := b.GoContext(ctx, func(context.Context) { nothing() }); err != nil {
				return err
			}
			return b.WaitContext(ctx)
		},
		"Go through a full queue": func(ctx context.Context, _ *pool.Pool, own *pool.Batch) error {
			for range 5 {
				own.Go(nothing)
			}
			return own.WaitContext(ctx)
		},
		"GoContext through a full queue": func(ctx context.Context, _ *pool.Pool, own *pool.Batch) error {
			for range 5 {
				if err := own.GoContext(ctx, func(context.Context) { nothing() }); err != nil {
					return err
				}
			}
			return own.WaitContext(ctx)
		},
		"Wait for a batch that the helper has made": func(ctx context.Context, p *pool.Pool, _ *pool.Batch) error {
			b := p.Batch(ctx)
			for range 5 {
				b.Go(nothing)
			}
			b.Wait()
			return b.Err()
		},
		"a loop": func(ctx context.Context, _ *pool.Pool, _ *pool.Batch) error {
			return pool.For(ctx, 3, 10, func(context.Context, int) error { nothing(); return nil })
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			onProcs(t, func(t *testing.T) {
				p := pool.New(1, pool.Options{Queue: 2})
				require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
					b := p.Batch(ctx)
					b.Go(nothing)
					var g group.Group
					g.Go(func() { assert.NoError(t, way(ctx, p, b)) })
					g.Wait()
					b.Wait()
				}))
				p.Wait()
				p.Close()
			})
		})
	}
}

// A task waits for the batch of another, whose place it does not know: it lends its own.
func TestATaskWaitsForTheBatchOfAnother(t *testing.T) {
	for name, opts := range map[string]pool.Options{"": {}, "isolated": {Isolate: true}} {
		t.Run(name, func(t *testing.T) {
			onProcs(t, func(t *testing.T) {
				p := pool.New(2, opts)
				batches := make(chan *pool.Batch)
				var inside gauge
				start := time.Now()
				p.Go(func() {
					b := <-batches
					b.Wait()
					assert.Equal(t, 10*time.Second, time.Since(start))
				})
				require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
					b := p.Batch(ctx)
					for range 10 {
						b.Go(func() {
							inside.enter()
							time.Sleep(time.Second)
							inside.leave()
						})
					}
					batches <- b
					inside.enter()
					time.Sleep(time.Minute)
					inside.leave()
				}))
				p.Wait()
				require.EqualValues(t, 2, inside.most.Load())
				require.Equal(t, time.Minute, time.Since(start))
				p.Close()
			})
		})
	}
}
