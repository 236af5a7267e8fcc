package pool_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/pool"
)

func TestSubmit(t *testing.T) {
	submit := func(t *testing.T, p *pool.Pool, f func(ctx context.Context) (int, error)) *core.Future[int] {
		future, err := pool.Submit(t.Context(), p, f)
		require.NoError(t, err)
		return future
	}

	t.Run("get returns what the task returned", func(t *testing.T) {
		p := pool.New(2, pool.Options{})
		failed := errors.New("failed")
		f := submit(t, p, func(context.Context) (int, error) { return 7, failed })
		v, err := f.Get()
		require.Equal(t, 7, v)
		require.Equal(t, failed, err)
		closeEmpty(t, p)
	})

	t.Run("get raises a panic and reports a Goexit", func(t *testing.T) {
		p := pool.New(1, pool.Options{OnPanic: func(*core.PanicError) { t.Error("OnPanic was called") }})
		boom := errors.New("boom")
		f := submit(t, p, func(context.Context) (int, error) { panic(boom) })
		pe := caught(func() { f.Get() }).(*core.PanicError)
		require.ErrorIs(t, pe, boom)
		require.Contains(t, string(pe.Stack), "pool_test.TestSubmit")
		f = submit(t, p, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
		_, err := f.Get()
		require.Equal(t, core.ErrGoexit, err)
		f = submit(t, p, func(context.Context) (int, error) { return 1, nil })
		v, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 1, v)
		require.Equal(t, pool.Stats{Submitted: 3, Completed: 3, Panicked: 1}, closeEmpty(t, p))
	})

	t.Run("a task that its waiter runs does not end the waiter", func(t *testing.T) {
		p := pool.New(1, pool.Options{Queue: 1})
		outer := submit(t, p, func(ctx context.Context) (int, error) {
			for range 2 { // by the queue, and for want of room in it
				f, err := pool.Submit(ctx, p, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
				if err != nil {
					return 0, err
				}
				g, err := pool.Submit(ctx, p, func(context.Context) (int, error) { panic("boom") })
				if err != nil {
					return 0, err
				}
				if _, err := f.Get(); err != core.ErrGoexit {
					return 0, err
				}
				if pe := caught(func() { g.Get() }).(*core.PanicError); pe.Value != "boom" {
					return 0, pe
				}
			}
			return 7, nil
		})
		v, err := outer.Get()
		require.NoError(t, err)
		require.Equal(t, 7, v)
		require.Equal(t, pool.Stats{Submitted: 5, Completed: 5, Panicked: 2}, closeEmpty(t, p))
	})

	t.Run("the task's context is derived", func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		type key struct{}
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		f, err := pool.Submit(ctx, p, func(ctx context.Context) (any, error) {
			cancel(errors.New("enough"))
			<-ctx.Done()
			return ctx.Value(key{}), context.Cause(ctx)
		})
		require.NoError(t, err)
		v, err := f.Get()
		require.Equal(t, "value", v)
		require.EqualError(t, err, "enough")
		closeEmpty(t, p)
	})

	t.Run("does not start with a context that is done, or when it is while waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1})
			release := make(chan struct{})
			p.Go(func() { <-release })
			synctest.Wait()
			p.Go(func() {})
			ctx, cancel := context.WithCancelCause(t.Context())
			cause := errors.New("enough")
			go func() { synctest.Wait(); cancel(cause) }()
			for range 2 {
				f, err := pool.Submit(ctx, p, func(context.Context) (int, error) { panic("started") })
				require.Nil(t, f)
				require.Equal(t, cause, err)
			}
			close(release)
			require.EqualValues(t, 2, closeEmpty(t, p).Submitted)
		})
	})

	t.Run("costs two allocations", func(t *testing.T) {
		if raceBuild {
			t.Skip("in -race builds a task is more than that")
		}
		p := pool.New(1, pool.Options{})
		ctx := context.Background()
		task := func(context.Context) (int, error) { return 1, nil }
		require.EqualValues(t, 1, testing.AllocsPerRun(1000, func() { pool.Submit(ctx, p, task) }))
		require.EqualValues(t, 1, testing.AllocsPerRun(1000, func() { p.GoContext(ctx, func(context.Context) {}) }))
		b := p.Batch(ctx)
		require.Zero(t, testing.AllocsPerRun(1000, func() { p.Go(func() {}) }))
		require.Zero(t, testing.AllocsPerRun(1000, func() { b.Go(func() {}) }))
		b.Wait()
		closeEmpty(t, p)
	})
}

// A panic that no Get has raised ends the process when the future is collected.
func TestSubmitPanicUnseen(t *testing.T) {
	run := func(gets bool) (collected func() bool) {
		p := pool.New(1, pool.Options{})
		defer p.Close()
		f, err := pool.Submit(t.Context(), p, func(context.Context) (int, error) { panic("boom") })
		require.NoError(t, err)
		if gets {
			require.NotNil(t, caught(func() { f.Get() }))
		}
		return child.Cleanup(f)
	}
	for name, gets := range map[string]bool{"raised": true, "not raised": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inside, output, err := child.Run(t)
			switch {
			case inside:
				child.Unseen(run(gets), gets)
			case gets:
				require.NoError(t, err, output)
			default:
				child.Panicked(t, output, err, "panic: boom", "pool_test.TestSubmitPanicUnseen.func")
			}
		})
	}
}
