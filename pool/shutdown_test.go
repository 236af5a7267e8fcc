package pool_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
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

func TestClose(t *testing.T) {
	t.Run("finishes the queue, and serves who waits for room in it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 2})
			release := make(chan struct{})
			var ran, closed atomic.Int32
			for range 3 {
				p.Go(func() { <-release; ran.Add(1) })
				synctest.Wait()
			}
			go p.Go(func() { ran.Add(1) })
			synctest.Wait()
			for range 2 {
				go func() { p.Close(); closed.Add(1) }()
			}
			synctest.Wait()
			require.Zero(t, closed.Load())
			require.False(t, p.TryGo(func() {}))
			close(release)
			synctest.Wait()
			require.EqualValues(t, 2, closed.Load())
			require.Equal(t, pool.Stats{Submitted: 4, Completed: 4}, closeEmpty(t, p))
			require.EqualValues(t, 4, ran.Load())
		})
	})

	t.Run("refuses further tasks at once, also if there is room in the queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 10})
			release := make(chan struct{})
			for range 3 {
				p.Go(func() { <-release })
			}
			go p.Close()
			synctest.Wait()
			require.Panics(t, func() { p.Go(func() {}) })
			require.False(t, p.TryGo(func() {}))
			require.ErrorIs(t, p.GoContext(t.Context(), func(context.Context) {}), pool.ErrClosed)
			close(release)
			closeEmpty(t, p)
		})
	})

	t.Run("panics within a task of the pool, wherever that runs", func(t *testing.T) {
		const text = "pool: Close within one of the pool's own tasks"
		p := pool.New(1, pool.Options{Queue: 1})
		b := p.Batch(t.Context())
		b.Go(p.Close)
		require.Equal(t, text, caught(b.Wait).(*core.PanicError).Value)
		f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			b := p.Batch(ctx)
			for range 4 { // by the waiter, and for want of room in the queue
				b.Go(func() {
					f, err := pool.Submit(ctx, p, func(context.Context) (int, error) { p.Close(); return 1, nil }) //coterie:selfwait that it panics is the point
					if err != nil {
						panic(err)
					}
					f.Get()
				})
			}
			b.Wait()
			return 1, nil
		})
		require.NoError(t, err)
		pe := caught(func() { f.Get() }).(*core.PanicError)
		require.Equal(t, text, pe.Value)
		require.Len(t, pe.Others, 3)
		f, err = pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			return 1, p.Shutdown(context.Background()) //coterie:selfwait that it panics is the point
		})
		require.NoError(t, err)
		require.Equal(t, "pool: Shutdown within one of the pool's own tasks",
			caught(func() { f.Get() }).(*core.PanicError).Value)
		f, err = pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
			other := pool.New(1, pool.Options{})
			other.Go(func() {})
			other.Close() // of another pool is allowed
			return 1, nil
		})
		require.NoError(t, err)
		_, err = f.Get()
		require.NoError(t, err)
		closeEmpty(t, p)
	})

	t.Run("by a task's own goroutine is not taken for the task", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		p.Go(func() { go p.Close() })
		p.Close()
		closeEmpty(t, p)
	})
}

func TestShutdownDropsNoTaskThatItsSubmitterRuns(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for range child.Many(10, 50) {
		p := pool.New(1, pool.Options{})
		waits := make(chan struct{})
		dropped := uint64(0)
		require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
			var futures []*core.Future[int]
			for range 500 {
				f, _ := pool.Submit(ctx, p, func(context.Context) (int, error) { return 1, nil })
				futures = append(futures, f)
			}
			close(waits)
			for _, f := range slices.Backward(futures) {
				if _, err := f.Get(); err != nil {
					dropped++
				}
			}
		}))
		<-waits
		_ = p.Shutdown(done)
		p.Close()
		require.Equal(t, pool.Stats{Submitted: 501, Completed: 501 - dropped, Dropped: dropped}, p.Stats())
	}
}

func TestShutdown(t *testing.T) {
	t.Run("what a task has submitted is dropped, and its future says so", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 4})
			futures, hold := make(chan *core.Future[int], 1), make(chan struct{})
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				f, err := pool.Submit(ctx, p, func(context.Context) (int, error) {
					t.Error("ran")
					return 0, nil
				})
				assert.NoError(t, err)
				futures <- f
				<-hold
			}))
			f := <-futures
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			var stuck *core.StuckError
			require.ErrorAs(t, p.Shutdown(ctx), &stuck)
			require.Equal(t, 1, stuck.Dropped)
			_, err := f.Get()
			require.ErrorIs(t, err, pool.ErrClosed)
			close(hold)
			closeEmpty(t, p)
		})
	})

	t.Run("is close if there is time enough", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{})
			require.NoError(t, p.Shutdown(t.Context()))
			p = pool.New(2, pool.Options{})
			for range 6 {
				p.Go(func() { time.Sleep(time.Second) })
			}
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			start := time.Now()
			require.NoError(t, p.Shutdown(ctx))
			require.Equal(t, 3*time.Second, time.Since(start))
			require.Equal(t, pool.Stats{Submitted: 6, Completed: 6}, closeEmpty(t, p))
		})
	})

	t.Run("with a context that is done drops what is queued", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			p := pool.New(2, pool.Options{})
			p.Go(func() {})
			p.Wait()
			require.NoError(t, p.Shutdown(ctx)) // there is only an idle worker
			closeEmpty(t, p)
		})
	})

	t.Run("drops what is queued when its patience ends, and says who is running", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "mail", Queue: 4})
			release := make(chan struct{})
			b := p.Batch(t.Context())
			b.Go(func() { <-release })
			synctest.Wait()
			b.Go(func() { panic("ran") })
			f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { panic("ran") })
			require.NoError(t, err)
			for range 2 {
				p.Go(func() { panic("ran") })
			}
			goes, goContext := make(chan error, 1), make(chan error, 1)
			go func() { p.Go(func() { panic("ran") }); goes <- nil }()
			synctest.Wait()
			go func() { goContext <- p.GoContext(t.Context(), func(context.Context) { panic("ran") }) }()
			synctest.Wait()

			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			err = p.Shutdown(ctx)
			require.Equal(t, time.Minute, time.Since(start))
			var stuck *core.StuckError
			require.ErrorAs(t, err, &stuck)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, "mail", stuck.Owner)
			require.Equal(t, 1, stuck.Running)
			require.Len(t, stuck.Tasks, 1)
			require.Equal(t, "mail", stuck.Tasks[0].Name)
			require.Equal(t, start, stuck.Tasks[0].Started)
			require.Contains(t, string(stuck.Tasks[0].Stack), "pool_test.TestShutdown")
			require.NotContains(t, string(stuck.Tasks[0].Stack), "pool.(*worker)")

			require.NoError(t, <-goes)
			require.Equal(t, pool.ErrClosed, <-goContext)
			_, err = f.Get()
			require.Equal(t, pool.ErrClosed, err)
			require.ErrorAs(t, p.Shutdown(ctx), &stuck)
			close(release)
			require.NoError(t, p.Shutdown(t.Context()))
			require.NoError(t, p.Shutdown(ctx))
			b.Wait()
			require.Equal(t, pool.ErrClosed, b.Err())
			require.Equal(t, pool.ErrClosed, b.WaitContext(t.Context()))
			require.Equal(t, pool.Stats{Submitted: 6, Completed: 1, Dropped: 5}, closeEmpty(t, p))
		})
	})

	t.Run("drops what a worker has taken in one go, and no wait for the rest hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1000})
			first, second := make(chan struct{}), make(chan struct{})
			p.Go(func() { <-first })
			synctest.Wait()
			b := p.Batch(t.Context())
			b.Go(func() { <-second })
			for range 20 {
				b.Go(func() { panic("ran") })
			}
			close(first)
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			var stuck *core.StuckError
			require.ErrorAs(t, p.Shutdown(ctx), &stuck)
			require.Equal(t, 20, stuck.Dropped)
			require.Equal(t, 1, stuck.Running)
			close(second)
			require.Equal(t, pool.ErrClosed, b.WaitContext(t.Context()))
			require.Equal(t, pool.Stats{Submitted: 22, Completed: 2, Dropped: 20}, closeEmpty(t, p))
		})
	})

	t.Run("that has dropped tasks is an error even if none is running", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			p.Go(func() { <-ctx.Done() })
			p.Go(func() {})
			synctest.Wait()
			go cancel()
			err := p.Shutdown(ctx)
			var stuck *core.StuckError
			if s := p.Stats(); s.Dropped > 0 {
				require.ErrorAs(t, err, &stuck)
			}
			closeEmpty(t, p)
		})
	})

	t.Run("races submitters", func(t *testing.T) {
		for round := range 100 {
			p := pool.New(2, pool.Options{Queue: 4})
			var accepted, refused, ran, futures, dropped atomic.Int64
			count := func(err error) {
				switch err {
				case nil:
					accepted.Add(1)
				case pool.ErrClosed:
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
			const submitters, tasks = 6, 50
			var all sync.WaitGroup
			for i := range submitters {
				all.Go(func() {
					b := p.Batch(t.Context())
					var skipped bool
					for range tasks {
						switch i % 3 {
						case 0:
							count(p.GoContext(t.Context(), func(context.Context) { ran.Add(1) }))
						case 1:
							err := b.GoContext(t.Context(), func(context.Context) { ran.Add(1) })
							count(err)
						default:
							f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { ran.Add(1); return 1, nil })
							count(err)
							if err != nil {
								break
							}
							switch _, err := f.Get(); err {
							case nil:
								futures.Add(1)
							case pool.ErrClosed:
								dropped.Add(1)
							default:
								t.Error(err)
							}
						}
					}
					b.Wait()
					skipped = b.Err() != nil
					if skipped {
						assert.Equal(t, pool.ErrClosed, b.Err())
						assert.NotZero(t, p.Stats().Dropped)
					}
				})
			}
			for range round {
				runtime.Gosched()
			}
			switch round % 3 {
			case 0:
				all.Go(p.Close)
				p.Close()
				require.Zero(t, p.Stats().Dropped)
			case 1:
				require.NoError(t, p.Shutdown(t.Context()))
			default:
				ctx, cancel := context.WithCancelCause(t.Context())
				cancel(errors.New("at once"))
				_ = p.Shutdown(ctx)
			}
			all.Wait()
			s := closeEmpty(t, p)
			require.EqualValues(t, submitters*tasks, accepted.Load()+refused.Load())
			require.EqualValues(t, accepted.Load(), s.Submitted)
			require.EqualValues(t, ran.Load(), s.Completed)
			require.LessOrEqual(t, dropped.Load(), int64(s.Dropped))
		}
	})
}
