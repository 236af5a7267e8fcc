package pool_test

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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/pool"
)

// A wait that gives up when nothing runs has not given up.
func TestNothingRunsIsNotStuck(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, procs := range []int{1, 8} {
		t.Run(fmt.Sprintf("on %d Ps", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			p := pool.New(2, pool.Options{Name: "mail"})
			stuck := 0
			check := func(err error) {
				if err != nil {
					stuck++
				}
			}
			for range 2000 {
				f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { return 7, nil })
				require.NoError(t, err)
				_, err = f.Get()
				require.NoError(t, err)
				check(p.WaitContext(done))

				b, ended := p.Batch(t.Context()), make(chan struct{})
				b.Go(func() { close(ended) })
				<-ended
				check(b.WaitContext(done))
				check(p.WaitContext(done))
				b.Wait()
			}
			require.LessOrEqual(t, stuck, 5, "a busy machine may not let a worker run for 7 ms")
			closeEmpty(t, p)
		})
	}
}

// A wait that is about to give up ends only when the tasks that run on its caller's place
// have ended, and not by their Goexit.
func TestWaitContextGivesUpInGoodOrder(t *testing.T) {
	t.Run("a Goexit in a task that runs on the waiter's place does not end the waiter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			b := p.Batch(t.Context())
			var ran atomic.Int32
			f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
				b = p.Batch(ctx)
				short, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				for range 3 {
					b.Go(func() {
						time.Sleep(2 * time.Second) // until the context is done
						ran.Add(1)
						runtime.Goexit()
					})
				}
				err := b.WaitContext(short)
				if !errors.Is(err, context.DeadlineExceeded) {
					return 0, fmt.Errorf("got %w", err)
				}
				return int(ran.Load()), nil
			})
			require.NoError(t, err)
			n, err := f.Get()
			require.NoError(t, err, "the task has not been ended by another's Goexit")
			require.Equal(t, 1, n)
			_, goexit := ending(b.Wait)
			require.True(t, goexit)
			require.EqualValues(t, 3, ran.Load())
			p.Close()
		})
	})

	t.Run("a waiter that gives up takes its place along, and others keep theirs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			start := time.Now()
			var ends []time.Duration
			var mu sync.Mutex
			f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
				b := p.Batch(ctx)
				short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
				defer cancel()
				for range 4 {
					b.Go(func() {
						time.Sleep(time.Second)
						mu.Lock()
						ends = append(ends, time.Since(start))
						mu.Unlock()
					})
				}
				gaveUp := make(chan time.Duration)
				go func() {
					if !errors.Is(b.WaitContext(short), context.DeadlineExceeded) {
						panic("has not given up")
					}
					gaveUp <- time.Since(start)
				}()
				go func() { _ = b.WaitContext(ctx); gaveUp <- 0 }()
				if first := <-gaveUp; first != time.Second {
					return 0, fmt.Errorf("gave up after %v", first)
				}
				<-gaveUp
				return 7, nil
			})
			require.NoError(t, err)
			n, err := f.Get()
			require.NoError(t, err)
			require.Equal(t, 7, n)
			require.Equal(t, []time.Duration{time.Second, time.Second, 2 * time.Second, 3 * time.Second}, ends)
			p.Close()
		})
	})
}

// A WaitContext that gives up has its place back when the task on it has ended, also if the next
// tasks of the batch stand in a segment of another worker.
func TestWaitContextGivesUpWithinASegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2, pool.Options{})
		segment := make(chan struct{})
		p.Go(func() { <-segment })
		f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (time.Duration, error) {
			start := time.Now()
			b := p.Batch(ctx)
			for range 10 {
				b.Go(func() { time.Sleep(time.Second) })
			}
			close(segment) // the other worker takes the ten tasks
			synctest.Wait()
			short, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
			defer cancel()
			err := b.WaitContext(short)
			return time.Since(start), err
		})
		require.NoError(t, err)
		after, err := f.Get()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, after)
		p.Close()
		require.Equal(t, pool.Stats{Submitted: 12, Completed: 12}, p.Stats())
	})
}

// A task on a lent place whose goroutines lend that place several times at once lets one waiter give
// up, not several.
func TestOneTaskThatLendsLetsOneWaiterGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2, pool.Options{})
		b := p.Batch(t.Context())
		start := time.Now()
		gaveUp := make(chan time.Duration, 2)
		for range 2 {
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				time.Sleep(time.Second) // until the batch has tasks
				short, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				if b.WaitContext(short) == nil {
					panic("has not given up")
				}
				gaveUp <- time.Since(start)
			}))
		}
		synctest.Wait()
		require.NoError(t, b.GoContext(t.Context(), func(ctx context.Context) {
			inner := p.Batch(ctx)
			for range 2 {
				inner.Go(func() { time.Sleep(2 * time.Hour) })
			}
			var waiters sync.WaitGroup
			for range 2 {
				waiters.Go(func() { _ = inner.WaitContext(ctx) })
			}
			waiters.Wait()
		}))
		require.NoError(t, b.GoContext(t.Context(), func(context.Context) { time.Sleep(time.Hour) }))
		require.Equal(t, 2*time.Second, <-gaveUp)
		require.Equal(t, time.Hour+time.Second, <-gaveUp, "when the other task on a lent place has ended")
		p.Close()
	})
}

// A waiter that gives up has its place back when another waiter lends one to the same task.
func TestAFurtherLenderGivesAPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		b := p.Batch(t.Context())
		require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
			start := time.Now()
			wait := func(d time.Duration) error {
				short, cancel := context.WithTimeout(ctx, d)
				defer cancel()
				return b.WaitContext(short)
			}
			b.Go(func() { time.Sleep(time.Hour) })
			var later sync.WaitGroup
			later.Go(func() {
				time.Sleep(2 * time.Second)
				assert.NoError(t, wait(time.Minute), "it has its place back when the task has ended")
				assert.Equal(t, time.Hour, time.Since(start))
			})
			assert.Error(t, wait(time.Second))
			assert.Equal(t, 2*time.Second, time.Since(start))
			later.Wait()
		}))
		p.Wait()
		p.Close()
	})
}

// A Wait returns when the tasks that it covers have ended. It does not lend its place to a task that
// comes after that, also if its goroutine has not run yet.
func TestWaitEndsBeforeLaterTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(2, pool.Options{})
		first, over := make(chan struct{}), make(chan struct{})
		f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			b := p.Batch(ctx)
			b.Go(func() { <-first })
			synctest.Wait()
			p.Go(func() { // by the worker that has ended the first task, at once
				b.Go(func() { <-over })
				<-over
			})
			go func() { synctest.Wait(); close(first) }()
			b.Wait()
			close(over)
			return 1, nil
		})
		require.NoError(t, err)
		n, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 1, n)
		p.Close()
	})
}

// A Wait lends its place also if the first task of the batch is accepted while the Wait begins.
func TestWaitLendsToATaskThatComesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		err := p.GoContext(t.Context(), func(ctx context.Context) {
			b := p.Batch(ctx)
			start, started := make(chan int), make(chan struct{})
			go func() {
				for after := range start {
					for range after { // so that b.Go meets each moment of b.Wait
						runtime.Gosched()
					}
					b.Go(func() {})
					started <- struct{}{}
				}
			}()
			for i := range child.Many(30_000, 1_000_000) {
				start <- i % 4
				b.Wait()
				<-started
				b.Wait()
			}
			close(start)
		})
		require.NoError(t, err)
		p.Close()
	})
}

// A batch's error is told after a Wait however that ended.
func TestBatchErrAfterAbortedWait(t *testing.T) {
	for name, end := range map[string]func(){
		"a Goexit": runtime.Goexit,
		"a panic":  func() { panic("boom") },
		"a return": func() {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1, pool.Options{})
				b := p.Batch(t.Context())
				cause := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				b.Go(func() { time.Sleep(time.Second); end() })
				require.NoError(t, b.GoContext(ctx, func(context.Context) { panic("ran") }))
				cancel(cause)
				ending(b.Wait)
				require.Equal(t, cause, b.Err())
				require.Equal(t, cause, b.Err(), "until the next task")
				b.Go(func() { end() })
				ending(func() { _ = b.WaitContext(t.Context()) })
				require.NoError(t, b.Err())
				p.Close()
			})
		})
	}
}

// An outsider that waits for what a running task has submitted runs nothing: the limit holds.
func TestOutsidersRunNothing(t *testing.T) {
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("with %d workers", workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(workers, pool.Options{})
				var inside gauge
				work := func() {
					inside.enter()
					time.Sleep(time.Second)
					inside.leave()
				}
				futures := make(chan *core.Future[int], 15)
				b := p.Batch(t.Context())
				start := time.Now()
				for range 3 {
					require.NoError(t, b.GoContext(t.Context(), func(ctx context.Context) {
						for range 5 {
							f, err := pool.Submit(ctx, p, func(context.Context) (int, error) { work(); return 7, nil })
							if err != nil {
								panic(err)
							}
							futures <- f
							if err := b.GoContext(ctx, func(context.Context) { work() }); err != nil {
								panic(err)
							}
							b.Go(work)
						}
						work()
					}))
				}
				var outsiders sync.WaitGroup
				var got atomic.Int32
				for i := range 15 {
					outsiders.Go(func() {
						f := <-futures
						get := f.Get
						if i%2 == 0 {
							get = func() (int, error) { return f.GetContext(t.Context()) }
						}
						if v, err := get(); err == nil {
							got.Add(int32(v))
						}
					})
				}
				for range 3 {
					outsiders.Go(b.Wait)
					outsiders.Go(func() { _ = b.WaitContext(t.Context()) })
				}
				outsiders.Wait()
				require.EqualValues(t, 15*7, got.Load())
				require.EqualValues(t, workers, inside.most.Load())
				require.GreaterOrEqual(t, time.Since(start), time.Duration(3*(1+5*3)/workers)*time.Second)
				p.Close()
			})
		})
	}
}

func TestStuckErrorCountsTasksOnce(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	t.Run("one that runs where its submitter waits has begun", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			release := make(chan struct{})
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				f, err := pool.Submit(ctx, p, func(context.Context) (int, error) { <-release; return 1, nil })
				assert.NoError(t, err)
				_, _ = f.GetContext(ctx)
			}))
			synctest.Wait()
			require.EqualError(t, p.WaitContext(done), "pool: 2 running: context canceled")
			close(release)
			p.Close()
		})
	})

	t.Run("those that wait for their key have not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			k := pool.NewKeyed[string](p, 1)
			release := make(chan struct{})
			for range 5 {
				require.NoError(t, k.GoContext(t.Context(), "a", func(context.Context) { <-release }))
			}
			synctest.Wait()
			require.EqualError(t, p.WaitContext(done), "pool: 1 running, 4 queued: context canceled")
			close(release)
			p.Close()
		})
	})
}

// A task that was run where its submitter waits leaves an entry in the queue, for which nobody
// waits.
func TestWaitInAPausedPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
			f, err := pool.Submit(ctx, p, func(context.Context) (int, error) { return 1, nil })
			assert.NoError(t, err)
			p.SetWorkers(0)
			_, _ = f.GetContext(ctx)
		}))
		p.Wait()
		require.NoError(t, p.WaitContext(t.Context()))
		p.Close()
	})
}
