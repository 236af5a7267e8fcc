package pool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/pool"
)

// Every test of this file deadlocks in a pool whose waiting tasks keep their
// workers.

// A nester starts tasks that start tasks and wait for them.
type nester struct {
	gauge
	pool  *pool.Pool
	start func(n *nester, ctx context.Context, depth int)
	tasks atomic.Int32
}

const fanOut = 4

func (n *nester) task(ctx context.Context, depth int) {
	n.enter()
	n.tasks.Add(1)
	if depth > 1 {
		n.start(n, ctx, depth-1)
	}
	n.leave()
}

func byBatch(n *nester, ctx context.Context, depth int) {
	b := n.pool.Batch(ctx)
	for range fanOut {
		n.pause(func() {
			if err := b.GoContext(ctx, func(ctx context.Context) { n.task(ctx, depth) }); err != nil {
				panic(err)
			}
		})
	}
	n.pause(b.Wait)
}

// byBatchGo starts tasks that get no context of their own.
func byBatchGo(n *nester, ctx context.Context, depth int) {
	b := n.pool.Batch(ctx)
	for range fanOut {
		n.pause(func() { b.Go(func() { n.task(ctx, depth) }) })
	}
	n.pause(b.Wait)
}

func bySubmit(n *nester, ctx context.Context, depth int) {
	var gets []func()
	for range fanOut {
		n.pause(func() {
			f, err := pool.Submit(ctx, n.pool, func(ctx context.Context) (int, error) {
				n.task(ctx, depth)
				return depth, nil
			})
			if err != nil {
				panic(err)
			}
			gets = append(gets, func() {
				if v, err := f.Get(); v != depth || err != nil {
					panic(fmt.Sprint(v, err))
				}
			})
		})
	}
	for _, get := range gets {
		n.pause(get)
	}
}

func byFor(n *nester, ctx context.Context, depth int) {
	n.pause(func() {
		err := pool.For(ctx, 0, fanOut, func(ctx context.Context, _ int) error {
			n.task(ctx, depth)
			return nil
		})
		if err != nil {
			panic(err)
		}
	})
}

func TestNestedWaits(t *testing.T) {
	for name, start := range map[string]func(*nester, context.Context, int){
		"Batch.GoContext": byBatch, "Batch.Go": byBatchGo, "Submit": bySubmit, "For": byFor,
	} {
		for _, workers := range []int{1, 2, 8} {
			for _, queue := range []int{1, 3, 1024} {
				t.Run(fmt.Sprintf("%s on %d workers with a queue of %d", name, workers, queue), func(t *testing.T) {
					n := &nester{pool: pool.New(workers, pool.Options{Queue: queue}), start: start}
					want := 0
					for depth, tasks := 1, 1; depth <= child.Many(5, 6); depth++ {
						want += tasks
						tasks = tasks*fanOut + 1
						b := n.pool.Batch(t.Context())
						require.NoError(t, b.GoContext(t.Context(), func(ctx context.Context) { n.task(ctx, depth) }))
						b.Wait()
						require.EqualValues(t, want, n.tasks.Load())
					}
					require.LessOrEqual(t, int(n.most.Load()), workers)
					stats := closeEmpty(t, n.pool)
					if name != "For" { // how many tasks that starts is its own affair
						require.EqualValues(t, want, stats.Completed)
					}
				})
			}
		}
	}

	t.Run("after a Goexit on the place of a waiter, one task at a time goes on there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 8})
			var running gauge
			var ran atomic.Int32
			work := func(context.Context) {
				running.enter()
				time.Sleep(time.Second)
				ran.Add(1)
				running.leave()
			}
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				b := p.Batch(ctx)
				assert.NoError(t, b.GoContext(ctx, func(context.Context) { runtime.Goexit() }))
				assert.NoError(t, b.GoContext(ctx, func(ctx context.Context) {
					for range 3 {
						assert.NoError(t, b.GoContext(ctx, work))
					}
					work(ctx)
				}))
				b.Wait()
			}))
			p.Wait()
			require.EqualValues(t, 4, ran.Load())
			require.EqualValues(t, 1, running.most.Load())
			closeEmpty(t, p)
		})
	})

	t.Run("a wait that gives up has its place back first, also if that was lent twice", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 8})
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				b, started := p.Batch(ctx), time.Now()
				assert.NoError(t, b.GoContext(ctx, func(ctx context.Context) {
					within := p.Batch(ctx)
					assert.NoError(t, within.GoContext(ctx, func(ctx context.Context) {
						further := p.Batch(ctx)
						assert.NoError(t, further.GoContext(ctx, func(context.Context) {}))
						further.Wait()
						time.Sleep(3 * time.Second)
					}))
					short, cancel := context.WithTimeout(ctx, time.Second)
					defer cancel()
					assert.NoError(t, within.WaitContext(short)) // the task has ended meanwhile
					assert.Equal(t, 3*time.Second, time.Since(started))
				}))
				b.Wait()
			}))
			p.Wait()
			closeEmpty(t, p)
		})
	})

	t.Run("a wait that gives up has its place back when the task there waits in turn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 8})
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				b, started := p.Batch(ctx), time.Now()
				assert.NoError(t, b.GoContext(ctx, func(ctx context.Context) {
					time.Sleep(3 * time.Second)
					within := p.Batch(ctx)
					assert.NoError(t, within.GoContext(ctx, func(context.Context) { time.Sleep(10 * time.Second) }))
					within.Wait()
				}))
				short, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				assert.Error(t, b.WaitContext(short))
				assert.Equal(t, 3*time.Second, time.Since(started))
				b.Wait()
				assert.Equal(t, 13*time.Second, time.Since(started))
			}))
			p.Wait()
			closeEmpty(t, p)
		})
	})

	t.Run("a batch that a task has made lends the task's place, whatever context its tasks have", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1})
			ran := 0
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				b := p.Batch(ctx)
				for range 3 {
					assert.NoError(t, b.GoContext(context.Background(), func(context.Context) { ran++ }))
				}
				b.Wait()
			}))
			closeEmpty(t, p)
			require.Equal(t, 3, ran)
		})
	})

	t.Run("a batch in a task queues no more than the queue holds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 3})
			var ran atomic.Int32
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				b := p.Batch(ctx)
				for range 10 {
					b.Go(func() { ran.Add(1) })
					assert.LessOrEqual(t, p.Stats().Queued, 3)
				}
				b.Wait()
			}))
			closeEmpty(t, p)
			require.EqualValues(t, 10, ran.Load())
		})
	})

	t.Run("several at once, and others that only use the queue", func(t *testing.T) {
		p := pool.New(2, pool.Options{Queue: 4})
		var tops []*nester
		all := p.Batch(t.Context())
		for i := range 4 {
			n := &nester{pool: p, start: []func(*nester, context.Context, int){byBatch, bySubmit}[i%2]}
			tops = append(tops, n)
			require.NoError(t, all.GoContext(t.Context(), func(ctx context.Context) { n.task(ctx, 4) }))
			for range 100 {
				p.Go(func() {})
			}
		}
		all.Wait()
		for _, n := range tops {
			require.EqualValues(t, 1+4+16+64, n.tasks.Load())
		}
		closeEmpty(t, p)
	})

	t.Run("through an owner of goroutines within the task", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			done := make(chan int)
			go func() {
				f, _ := pool.Submit(ctx, p, func(context.Context) (int, error) { return 7, nil })
				v, _ := f.Get()
				done <- v
			}()
			return <-done, nil
		})
		require.NoError(t, err)
		v, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 7, v)
		p.Close()
	})
}

func TestMergeSortOnOneWorker(t *testing.T) {
	p := pool.New(1, pool.Options{Queue: 2})
	defer p.Close()
	var sort func(ctx context.Context, v []int)
	sort = func(ctx context.Context, v []int) {
		if len(v) < 2 {
			return
		}
		left, right := slices.Clone(v[:len(v)/2]), slices.Clone(v[len(v)/2:])
		b := p.Batch(ctx)
		for _, half := range [][]int{left, right} {
			if err := b.GoContext(ctx, func(ctx context.Context) { sort(ctx, half) }); err != nil {
				panic(err)
			}
		}
		b.Wait()
		for i := range v {
			if len(right) == 0 || len(left) > 0 && left[0] <= right[0] {
				v[i], left = left[0], left[1:]
			} else {
				v[i], right = right[0], right[1:]
			}
		}
	}
	v := rand.Perm(2000)
	b := p.Batch(t.Context())
	require.NoError(t, b.GoContext(t.Context(), func(ctx context.Context) { sort(ctx, v) }))
	b.Wait()
	require.True(t, slices.IsSorted(v))
}

func TestDirectoryWalkOnOneWorker(t *testing.T) {
	root := t.TempDir()
	for i := range 3 {
		for j := range 3 {
			require.NoError(t, os.MkdirAll(filepath.Join(root, fmt.Sprint(i), fmt.Sprint(j), "deep"), 0o777))
		}
	}
	p := pool.New(1, pool.Options{Queue: 1})
	defer p.Close()
	var seen atomic.Int32
	var walk func(ctx context.Context, dir string) (int, error)
	walk = func(ctx context.Context, dir string) (int, error) {
		seen.Add(1)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return 0, err
		}
		b := p.Batch(ctx)
		for _, e := range entries {
			b.Go(func() {
				if _, err := walk(ctx, filepath.Join(dir, e.Name())); err != nil {
					panic(err)
				}
			})
		}
		return len(entries), b.WaitContext(ctx)
	}
	f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) { return walk(ctx, root) })
	require.NoError(t, err)
	_, err = f.Get()
	require.NoError(t, err)
	require.EqualValues(t, 1+3+9+9, seen.Load())
}
