package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// held returns a pool all of whose workers wait for release, so that what is started
// before goes through the queue together.
func held(workers int, opts pool.Options) (p *pool.Pool, release func()) {
	p = pool.New(workers, opts)
	var here sync.WaitGroup
	here.Add(workers)
	open := make(chan struct{})
	for range workers {
		p.Go(func() {
			here.Done()
			<-open
		})
	}
	here.Wait()
	return p, func() { close(open) }
}

// shareQueue starts tasks of several batches, one of which belongs to a task of the
// pool, and of the pool, which go through the queue in parts, and at times back into
// it, and are at last run or dropped.
func shareQueue(t *testing.T, r *rand.Rand) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	p := pool.New(2, pool.Options{Queue: 256})
	step := make(chan struct{})
	var batches []*pool.Batch
	for range 3 {
		batches = append(batches, p.Batch(t.Context()))
	}
	require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
		batches = append(batches, p.Batch(ctx)) // whose tasks stay in the queue
		<-step
	}))
	p.Go(func() { <-step })
	synctest.Wait()
	var started, ran [4]int
	var mu sync.Mutex
	kinds := 1 + r.IntN(len(batches)+1)
	for range 20 {
		kind := r.IntN(kinds)
		for range r.IntN(20) {
			if r.IntN(8) == 0 {
				kind = r.IntN(kinds)
			}
			if kind == len(batches) {
				p.Go(func() { <-step })
				continue
			}
			of := kind
			started[of]++
			batches[of].Go(func() {
				<-step
				mu.Lock()
				ran[of]++
				mu.Unlock()
			})
		}
		if r.IntN(4) == 0 {
			p.SetWorkers(1 + r.IntN(3))
		}
		synctest.Wait()
		s := p.Stats()
		for n := s.Queued + s.Busy; n > 0 && r.IntN(4) > 0; n-- {
			step <- struct{}{}
			synctest.Wait()
		}
		for i, b := range batches {
			mu.Lock()
			left := started[i] - ran[i]
			mu.Unlock()
			if left == 0 {
				require.NoError(t, b.WaitContext(t.Context()))
				continue
			}
			var stuck *group.StuckError
			require.ErrorAs(t, b.WaitContext(done), &stuck)
			require.Equal(t, left, stuck.Running)
		}
	}
	if r.IntN(2) == 0 {
		close(step)
		closeEmpty(t, p)
		require.Equal(t, started, ran)
		return
	}
	var stuck *group.StuckError
	synctest.Wait()
	queued := p.Stats().Queued
	if err := p.Shutdown(done); err != nil {
		require.ErrorAs(t, err, &stuck)
	}
	require.EqualValues(t, queued, p.Stats().Dropped)
	close(step)
	p.Close()
	for i, b := range batches {
		err := b.WaitContext(t.Context())
		if started[i] == ran[i] {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, pool.ErrClosed)
		}
	}
}

// What waits in a queue is handed to workers many at a time, which must not show.
func TestQueuedTogether(t *testing.T) {
	// As many consecutive tasks as there are workers meet, while those behind them
	// wait for all before. That needs tasks to begin in the order in which they came,
	// and each as soon as a worker is free.
	t.Run("a task does not wait behind one that blocks", func(t *testing.T) {
		for _, workers := range []int{1, 2, 3, 8} {
			for _, queue := range []int{1, 31, 32, 64, 1024, 4096} {
				p, release := held(workers, pool.Options{Queue: queue})
				go release()
				const groups = 300
				all := make([]chan struct{}, groups)
				here := make([]atomic.Int32, groups)
				for i := range groups {
					all[i] = make(chan struct{})
					for range workers {
						p.Go(func() {
							if rand.IntN(4) == 0 {
								runtime.Gosched()
							}
							if i > 0 {
								<-all[i-1]
							}
							if here[i].Add(1) == int32(workers) {
								close(all[i])
							}
							<-all[i]
						})
					}
				}
				p.Wait()
				closeEmpty(t, p)
			}
		}
	})

	t.Run("a worker that dies, or panics, leaves the others their tasks", func(t *testing.T) {
		for _, workers := range []int{1, 2, 8} {
			var panics, ran atomic.Int32
			p, release := held(workers, pool.Options{OnPanic: func(*core.PanicError) { panics.Add(1) }})
			b := p.Batch(t.Context())
			for i := range 900 {
				task := func() {
					switch rand.IntN(2); i % 3 {
					case 0:
						panic(i)
					case 1:
						runtime.Goexit()
					}
					ran.Add(1)
				}
				if i/100%2 == 0 {
					p.Go(task)
				} else {
					b.Go(task)
				}
			}
			release()
			p.Wait()
			require.EqualValues(t, 167, panics.Load())
			require.EqualValues(t, 300, ran.Load())
			require.Len(t, caught(b.Wait).(*core.PanicError).Others, 132)
			require.Equal(t, uint64(300), closeEmpty(t, p).Panicked)
		}
	})

	t.Run("batches end with their last task", func(t *testing.T) {
		for _, workers := range []int{1, 2, 8} {
			p, release := held(workers, pool.Options{})
			var wg sync.WaitGroup
			for round := range 100 {
				if round == 50 {
					release()
				}
				b := p.Batch(t.Context())
				var ran atomic.Int32
				n := rand.IntN(9) + 1
				for range n {
					b.Go(func() { ran.Add(1) })
				}
				wg.Go(func() {
					b.Wait()
					require.EqualValues(t, n, ran.Load())
				})
			}
			wg.Wait()
			closeEmpty(t, p)
		}
	})

	t.Run("the numbers are exact in between", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			done, cancel := context.WithCancel(t.Context())
			cancel()
			p, release := held(2, pool.Options{})
			b := p.Batch(t.Context())
			step := make(chan struct{})
			for range 100 {
				b.Go(func() { <-step })
			}
			for range 10 {
				p.Go(func() { <-step })
			}
			release()
			for i := range 108 {
				synctest.Wait()
				require.Equal(t, pool.Stats{
					Workers: 2, Busy: 2, Queued: 108 - i, Submitted: 112, Completed: uint64(2 + i),
				}, p.Stats())
				var stuck *group.StuckError
				if i < 99 {
					require.ErrorAs(t, b.WaitContext(done), &stuck)
					require.Equal(t, 100-i, stuck.Running)
				}
				require.ErrorAs(t, p.WaitContext(done), &stuck)
				require.Equal(t, 110-i, stuck.Running)
				step <- struct{}{}
			}
			close(step)
			closeEmpty(t, p)
		})
	})

	t.Run("a worker that finds nothing after its last task is done with the portion", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, release := held(2, pool.Options{})
			gates := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
			for _, gate := range gates { // one for each worker, behind what it takes first
				p.Go(func() {})
				p.Go(func() { <-gate })
			}
			for range 20 {
				p.Go(func() {})
			}
			release()
			synctest.Wait()
			close(gates[1])
			synctest.Wait() // all others have been run, by one worker
			close(gates[0])
			p.Wait()

			b := p.Batch(t.Context())
			block := make(chan struct{})
			for range 2 {
				b.Go(func() {})
				b.Go(func() { <-block })
			}
			synctest.Wait()
			var stuck *group.StuckError
			done, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorAs(t, b.WaitContext(done), &stuck)
			require.Equal(t, 2, stuck.Running)
			close(block)
			b.Wait()
			closeEmpty(t, p)
		})
	})

	t.Run("fewer workers are fewer at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, release := held(4, pool.Options{})
			step := make(chan struct{})
			var mu sync.Mutex
			var begun []int
			for i := range 100 {
				p.Go(func() {
					mu.Lock()
					begun = append(begun, i)
					mu.Unlock()
					<-step
				})
			}
			release()
			synctest.Wait()
			p.SetWorkers(1)
			for busy := 4; busy > 1; busy-- {
				require.Equal(t, pool.Stats{Workers: busy, Busy: busy, Queued: 96, Submitted: 104, Completed: uint64(8 - busy)}, p.Stats())
				step <- struct{}{}
				synctest.Wait()
			}
			step <- struct{}{}
			synctest.Wait()
			require.Equal(t, pool.Stats{Workers: 1, Busy: 1, Queued: 95, Submitted: 104, Completed: 8}, p.Stats())
			p.SetWorkers(3)
			synctest.Wait()
			require.Equal(t, pool.Stats{Workers: 3, Busy: 3, Queued: 93, Submitted: 104, Completed: 8}, p.Stats())
			close(step)
			p.Wait()
			require.ElementsMatch(t, []int{0, 1, 2, 3}, begun[:4])
			require.Equal(t, 4, begun[4])
			require.Len(t, begun, 100)
			closeEmpty(t, p)
		})
	})

	t.Run("the queue holds what it may, and no more", func(t *testing.T) {
		for _, queue := range []int{32, 64, 100, 1024} {
			synctest.Test(t, func(t *testing.T) {
				p, release := held(1, pool.Options{Queue: queue})
				step := make(chan struct{})
				for range queue {
					require.True(t, p.TryGo(func() { <-step }))
				}
				require.False(t, p.TryGo(func() {}))
				release()
				for range 3 * queue {
					synctest.Wait()
					require.True(t, p.TryGo(func() { <-step }))
					require.False(t, p.TryGo(func() {}))
					require.Equal(t, queue, p.Stats().Queued)
					step <- struct{}{}
				}
				close(step)
				closeEmpty(t, p)
			})
		}
	})

	t.Run("what goes back into the queue does not overfill it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, release := held(1, pool.Options{})
			step := make(chan struct{})
			var accepted, ran atomic.Int32
			start := func(n int) {
				for range n {
					p.Go(func() { <-step; ran.Add(1) })
					accepted.Add(1)
				}
			}
			start(50)
			release()
			synctest.Wait()
			start(20)
			for range 40 {
				step <- struct{}{}
				synctest.Wait()
			}
			p.SetWorkers(1)
			start(60)
			close(step)
			p.Wait()
			require.Equal(t, accepted.Load(), ran.Load())
			closeEmpty(t, p)
		})
	})

	t.Run("nothing is kept of a task that has ended, wherever in the queue it was", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		for range 3 { // from the second time on over the end of the ring
			here, open := make(chan struct{}), make(chan struct{})
			p.Go(func() {
				close(here)
				<-open
			})
			<-here
			var kept []weak.Pointer[[64]byte]
			for range 100 {
				data := new([64]byte)
				kept = append(kept, weak.Make(data))
				p.Go(func() { data[0]++ })
			}
			close(open)
			p.Wait()
			runtime.GC()
			for _, k := range kept {
				require.Nil(t, k.Value())
			}
		}
		closeEmpty(t, p)
	})

	t.Run("a worker that has been kept busy and comes back to two tasks calls another", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that it yields to who starts both
		p := pool.New(2, pool.Options{})
		for range 100 {
			for range 20 {
				done := make(chan struct{})
				p.Go(func() { close(done) })
				<-done
			}
			begun := make(chan struct{})
			p.Go(func() { <-begun })
			p.Go(func() { close(begun) })
			p.Wait()
		}
		closeEmpty(t, p)
	})

	t.Run("nothing is kept of a task that has ended when the next one blocks", func(t *testing.T) {
		p, release := held(1, pool.Options{})
		var kept []weak.Pointer[[64]byte]
		here, open := make(chan struct{}), make(chan struct{})
		for i := range 100 {
			data := new([64]byte)
			kept = append(kept, weak.Make(data))
			p.Go(func() {
				data[0]++
				if i%40 == 39 {
					here <- struct{}{}
					<-open
				}
			})
		}
		release()
		for blocked := range 2 {
			<-here
			runtime.GC()
			for _, k := range kept[:40*blocked+39] {
				require.Nil(t, k.Value())
			}
			open <- struct{}{}
		}
		closeEmpty(t, p)
	})

	t.Run("nothing is kept of a batch when its pool rests", func(t *testing.T) {
		for _, last := range []func(){func() {}, runtime.Goexit} {
			for _, tasks := range []int{1, 50, 100} {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2, pool.Options{})
					busy := make(chan struct{})
					p.Go(func() { <-busy }) // to the end
					open := make(chan struct{})
					p.Go(func() { <-open }) // until all that follow wait
					synctest.Wait()
					kept := make(chan weak.Pointer[pool.Batch], 1)
					go func() {
						b := p.Batch(context.Background())
						for range tasks - 1 {
							b.Go(func() {})
						}
						b.Go(last)
						close(open)
						kept <- weak.Make(b)
						b.Wait()
					}()
					k := <-kept
					synctest.Wait()
					runtime.GC()
					require.Nil(t, k.Value())
					close(busy)
					closeEmpty(t, p)
				})
			}
		}
	})

	t.Run("a Get of a future whose task has begun runs no other in its place", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{})
			held, begins, blocks, runs := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
			futures := make(chan *group.Future[int], 1)
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				<-begins
				f, err := pool.Submit(ctx, p, func(context.Context) (int, error) {
					p.SetWorkers(2) // puts back into the queue what a worker has taken out of it
					<-runs
					return 0, nil
				})
				require.NoError(t, err)
				futures <- f
				_, _ = f.Get() // runs it
			}))
			p.Go(func() { <-held })
			synctest.Wait()
			for range 10 {
				p.Go(func() { <-blocks })
			}
			for _, next := range []chan struct{}{held, begins} {
				close(next)
				synctest.Wait()
			}
			f := <-futures
			go func() { _, _ = f.Get() }()
			synctest.Wait()
			require.Equal(t, 9, p.Stats().Queued)
			close(blocks)
			close(runs)
			closeEmpty(t, p)
		})
	})

	t.Run("each task counts for its own batch, whoever else shares the queue", func(t *testing.T) {
		for round := range 200 {
			synctest.Test(t, func(t *testing.T) { shareQueue(t, rand.New(rand.NewPCG(uint64(round), 0))) })
		}
	})

	t.Run("what comes out of the queue leaves nothing to what takes its place", func(t *testing.T) {
		const queue = 64
		fill := map[string]func(ctx context.Context, p *pool.Pool){
			"Submit": func(ctx context.Context, p *pool.Pool) {
				for range queue {
					_, err := pool.Submit(ctx, p, func(context.Context) (int, error) { return 0, nil })
					require.NoError(t, err)
				}
			},
			"Batch.Go": func(_ context.Context, p *pool.Pool) {
				b := p.Batch(context.Background())
				for range queue {
					b.Go(func() {})
				}
			},
			"Batch.Go, of a task's": func(ctx context.Context, p *pool.Pool) {
				b := p.Batch(ctx)
				for range queue {
					b.Go(func() {})
				}
			},
		}
		for name, fill := range fill {
			for _, tasks := range []int{1, 2, 10} {
				t.Run(fmt.Sprintf("%s, then %d", name, tasks), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := pool.New(1, pool.Options{Queue: queue})
						require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) { fill(ctx, p) }))
						p.Wait()
						open := make(chan struct{})
						p.Go(func() { <-open })
						synctest.Wait()
						p.Go(func() {})
						b := p.Batch(t.Context())
						for range tasks {
							b.Go(func() {})
						}
						close(open)
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						defer cancel()
						require.NoError(t, b.WaitContext(ctx))
						p.Close()
					})
				})
			}
		}
	})

	t.Run("Shutdown drops what no worker has begun", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			done, cancel := context.WithCancel(t.Context())
			cancel()
			p, release := held(2, pool.Options{})
			b := p.Batch(t.Context())
			step := make(chan struct{})
			var ran atomic.Int32
			for range 50 {
				b.Go(func() { <-step; ran.Add(1) })
			}
			f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { return 1, nil })
			require.NoError(t, err)
			release()
			for range 10 {
				step <- struct{}{}
			}
			synctest.Wait()
			var stuck *group.StuckError
			require.ErrorAs(t, p.Shutdown(done), &stuck)
			require.Equal(t, 2, stuck.Running)
			_, err = f.Get()
			require.Equal(t, pool.ErrClosed, err)
			close(step)
			b.Wait()
			require.Equal(t, pool.ErrClosed, b.Err())
			require.EqualValues(t, 12, ran.Load())
			require.NoError(t, p.Shutdown(context.Background()))
			require.Equal(t, pool.Stats{Submitted: 53, Completed: 14, Dropped: 39}, closeEmpty(t, p))
		})
	})

	t.Run("who waits finds the tasks that wait for that", func(t *testing.T) {
		for _, workers := range []int{1, 2} {
			p, release := held(workers, pool.Options{})
			var ends atomic.Int32
			for range 20 {
				require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
					b := p.Batch(ctx)
					var futures []*group.Future[int]
					for i := range 10 {
						b.Go(func() {})
						f, err := pool.Submit(ctx, p, func(context.Context) (int, error) { return i, nil })
						if err != nil {
							panic(err)
						}
						futures = append(futures, f)
					}
					b.Wait()
					for i, f := range futures {
						if v, _ := f.Get(); v != i {
							panic(fmt.Sprint(i, v))
						}
					}
					ends.Add(1)
				}))
				for range 10 {
					p.Go(func() {})
				}
			}
			release()
			p.Wait()
			require.EqualValues(t, 20, ends.Load())
			closeEmpty(t, p)
		}
	})

	t.Run("nothing gets lost in a storm", func(t *testing.T) {
		for round := range 20 {
			workers := rand.IntN(4) + 1
			p := pool.New(workers, pool.Options{Queue: []int{1, 32, 64, 1024}[round%4], OnPanic: func(*core.PanicError) {}})
			var accepted, ran, told atomic.Int64
			task := func() {
				ran.Add(1)
				switch rand.IntN(40) {
				case 0:
					panic("boom")
				case 1:
					runtime.Goexit()
				case 2, 3:
					runtime.Gosched()
				}
			}
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					b := p.Batch(context.Background())
					for range 1000 {
						err := error(nil)
						f := func(context.Context) { task() }
						switch rand.IntN(6) {
						case 0, 1:
							err = p.GoContext(context.Background(), f)
						case 2, 3:
							err = b.GoContext(context.Background(), f)
						case 4:
							if !p.TryGo(task) {
								err = errors.New("full")
							}
						case 5:
							_, err = pool.Submit(context.Background(), p, func(ctx context.Context) (int, error) { f(ctx); return 0, nil })
						}
						if err == nil {
							accepted.Add(1)
						} else {
							told.Add(1)
						}
					}
				})
			}
			all.Go(func() {
				for range 200 {
					p.SetWorkers(rand.IntN(4) + 1)
					s := p.Stats()
					require.GreaterOrEqual(t, s.Submitted, s.Completed+s.Dropped+uint64(s.Queued))
					runtime.Gosched()
				}
				if round%2 == 0 {
					ctx, cancel := context.WithCancel(context.Background())
					cancel()
					_ = p.Shutdown(ctx)
				}
			})
			all.Wait()
			s := closeEmpty(t, p)
			require.EqualValues(t, accepted.Load(), s.Submitted)
			require.EqualValues(t, ran.Load(), s.Completed)
			require.EqualValues(t, 4000, accepted.Load()+told.Load())
		}
	})
}

func TestTurnsOfSubmitters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const queue = 128
		p, release := held(1, pool.Options{Queue: queue})
		step := make(chan struct{})
		for range queue {
			p.Go(func() { <-step })
		}
		var mu sync.Mutex
		var returned []string
		submit := func(name string) {
			go func() {
				p.Go(func() { <-step })
				mu.Lock()
				defer mu.Unlock()
				returned = append(returned, name)
			}()
			synctest.Wait()
		}
		got := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(returned)
		}
		drain := func(to int) {
			for synctest.Wait(); p.Stats().Queued > to; synctest.Wait() {
				step <- struct{}{}
			}
		}
		submit("a")
		submit("b")
		submit("c")
		release()
		drain(queue/2 + 1)
		require.Empty(t, got())

		// It is half empty: the first goes on, alone.
		step <- struct{}{}
		synctest.Wait()
		require.Equal(t, []string{"a"}, got())
		require.Equal(t, queue/2+1, p.Stats().Queued)

		// Others, but for TryGo, may pass, until half a queue has been submitted.
		require.False(t, p.TryGo(func() {}))
		for range queue/2 - 1 {
			drain(queue / 4)
			submit("")
		}
		require.Len(t, got(), queue/2)
		drain(queue / 4)
		submit("d") // has to wait: it is the turn of b
		require.Equal(t, []string{"b"}, got()[queue/2:])
		submit("e")
		require.Equal(t, []string{"b", "e"}, got()[queue/2:])

		// An eighth is left: all go on.
		drain(queue/8 + 1)
		require.Len(t, got(), queue/2+2)
		step <- struct{}{}
		synctest.Wait()
		require.Equal(t, queue/8+2, p.Stats().Queued)
		require.ElementsMatch(t, []string{"c", "d"}, got()[queue/2+2:])
		close(step)
		closeEmpty(t, p)
	})
}
