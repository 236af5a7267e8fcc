package pool_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// caught returns what f panicked with.
func caught(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

func TestPool(t *testing.T) {
	t.Run("wait returns when every task has ended", func(t *testing.T) {
		p := pool.New(3, pool.Options{})
		defer p.Close()
		var ran atomic.Int32
		for round := range 3 {
			for range 10000 {
				p.Go(func() { ran.Add(1) })
			}
			p.Wait()
			require.EqualValues(t, 10000*(round+1), ran.Load())
		}
		require.EqualValues(t, 30000, p.Stats().Completed)
	})

	t.Run("no more tasks run than there are workers", func(t *testing.T) {
		p := pool.New(3, pool.Options{})
		defer p.Close()
		var now, most atomic.Int32
		for range 2000 {
			p.Go(func() {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Microsecond)
				now.Add(-1)
			})
		}
		p.Wait()
		require.LessOrEqual(t, most.Load(), int32(3))
	})

	t.Run("as many tasks run as there are workers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(3, pool.Options{Queue: 4})
			release := make(chan struct{})
			for range 7 {
				p.Go(func() { <-release })
				synctest.Wait()
			}
			require.False(t, p.TryGo(func() {}))
			require.Equal(t, pool.Stats{Workers: 3, Busy: 3, Queued: 4, Submitted: 7}, p.Stats())
			close(release)
			p.Wait()
			for range 3 {
				p.Go(func() { time.Sleep(time.Second) })
			}
			synctest.Wait()
			require.Equal(t, 3, p.Stats().Busy)
			p.Close()
		})
	})

	t.Run("an idle worker ends and comes back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2, pool.Options{IdleAfter: time.Minute})
			p.Go(func() {})
			p.Wait()
			synctest.Wait()
			require.Equal(t, 1, p.Stats().Workers)
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Zero(t, p.Stats().Workers)
			p.Go(func() {})
			p.Close()
		})
	})

	t.Run("close from inside a task panics", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		b := p.Batch(t.Context())
		b.Go(p.Close)
		require.Equal(t, "pool: Close within one of the pool's own tasks",
			caught(b.Wait).(*core.PanicError).Value)
		p.Close()
	})
}

func nest(ctx context.Context, p *pool.Pool, depth int, leaf func()) {
	if depth == 0 {
		leaf()
		return
	}
	b := p.Batch(ctx)
	for range 4 {
		if err := b.GoContext(ctx, func(ctx context.Context) { nest(ctx, p, depth-1, leaf) }); err != nil {
			panic(err)
		}
	}
	b.Wait()
}

func TestNestedWaits(t *testing.T) {
	for _, workers := range []int{1, 2, 8} {
		for _, queue := range []int{1, 3, 1024} {
			p := pool.New(workers, pool.Options{Queue: queue})
			for depth := 1; depth <= 6; depth++ {
				var leaves atomic.Int32
				nest(t.Context(), p, depth, func() { leaves.Add(1) })
				require.EqualValues(t, 1<<(2*depth), leaves.Load())
			}
			p.Close()
			require.Zero(t, p.Stats().Workers)
		}
	}
}

func TestSubmit(t *testing.T) {
	p := pool.New(1, pool.Options{Queue: 2})
	defer p.Close()
	var fib func(ctx context.Context, n int) (int, error)
	fib = func(ctx context.Context, n int) (int, error) {
		if n < 2 {
			return n, nil
		}
		a, err := pool.Submit(ctx, p, func(ctx context.Context) (int, error) { return fib(ctx, n-1) })
		if err != nil {
			return 0, err
		}
		b, err := pool.Submit(ctx, p, func(ctx context.Context) (int, error) { return fib(ctx, n-2) })
		if err != nil {
			return 0, err
		}
		x, _ := a.Get()
		y, _ := b.Get()
		return x + y, nil
	}
	f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) { return fib(ctx, 10) })
	require.NoError(t, err)
	v, err := f.Get()
	require.NoError(t, err)
	require.Equal(t, 55, v)
}

func TestGoexitAndPanics(t *testing.T) {
	var panics atomic.Int32
	p := pool.New(2, pool.Options{OnPanic: func(*core.PanicError) { panics.Add(1) }})
	var ran atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 3000 {
				p.Go(func() {
					switch i % 3 {
					case 0:
						panic(i)
					case 1:
						runtime.Goexit()
					}
					ran.Add(1)
				})
			}
		})
	}
	all.Wait()
	p.Wait()
	require.EqualValues(t, 4000, ran.Load())
	require.EqualValues(t, 4000, panics.Load())
	s := p.Stats()
	require.EqualValues(t, 12000, s.Completed)
	require.EqualValues(t, 4000, s.Panicked)
	p.Close()
	require.Zero(t, p.Stats().Workers)
}

func TestShutdown(t *testing.T) {
	t.Run("drops what is queued when its patience ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Name: "mail"})
			release := make(chan struct{})
			b := p.Batch(t.Context())
			b.Go(func() { <-release })
			b.Go(func() { panic("dropped") })
			f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { return 1, nil })
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err = p.Shutdown(ctx)
			var stuck *group.StuckError
			require.ErrorAs(t, err, &stuck)
			require.Equal(t, 1, stuck.Running)
			require.Len(t, stuck.Tasks, 1)
			require.Contains(t, string(stuck.Tasks[0].Stack), "TestShutdown")
			require.NotContains(t, string(stuck.Tasks[0].Stack), "pool.(*worker)")
			_, err = f.Get()
			require.Equal(t, pool.ErrClosed, err)
			close(release)
			require.NoError(t, p.Shutdown(t.Context()))
			b.Wait()
			require.Equal(t, pool.ErrClosed, b.Err())
			require.Equal(t, pool.Stats{Submitted: 3, Completed: 1, Dropped: 2}, p.Stats())
			_, err = pool.Submit(t.Context(), p, func(context.Context) (int, error) { return 1, nil })
			require.Equal(t, pool.ErrClosed, err)
		})
	})
}

func TestBatch(t *testing.T) {
	t.Run("wait raises what a task raised", func(t *testing.T) {
		p := pool.New(2, pool.Options{})
		defer p.Close()
		b := p.Batch(t.Context())
		boom := errors.New("boom")
		b.Go(func() { panic(boom) })
		require.ErrorIs(t, caught(b.Wait).(error), boom)
		b.Go(func() {})
		b.Wait()
	})
}
