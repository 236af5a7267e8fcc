package migrate_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/alitto/pond/v2"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/pool"
)

func TestFromPond(t *testing.T) {
	ctx := t.Context()
	var ran atomic.Int32
	task := func() { ran.Add(1) }
	items := []int{1, 2, 3}
	visit := func(n int) error { ran.Add(int32(n)); return nil }
	fetch := func(n int) (string, error) { return "page", nil }
	{
		// snippet: pond before
		p := pond.NewPool(10, pond.WithQueueSize(1000))
		for range items {
			_ = p.Go(task)
		}
		p.StopAndWait()
		// end snippet
	}
	{
		// snippet: pond after
		p := pool.New(10, pool.Options{Queue: 1000})
		for range items {
			p.Go(task)
		}
		p.Close()
		// end snippet
	}
	require.EqualValues(t, 6, ran.Swap(0))
	{
		// snippet: pond result before
		p := pond.NewResultPool[string](10)
		page := p.SubmitErr(func() (string, error) { return fetch(1) })
		s, err := page.Wait()
		p.StopAndWait()
		// end snippet
		require.NoError(t, err)
		require.Equal(t, "page", s)
	}
	{
		p := pool.New(10, pool.Options{})
		// snippet: pond result after
		page, err := pool.Submit(ctx, p, func(context.Context) (string, error) { return fetch(1) })
		if err != nil {
			return // ctx is done, or p is closed
		}
		s, err := page.Get()
		p.Close()
		// end snippet
		require.NoError(t, err)
		require.Equal(t, "page", s)
	}
	{
		p := pond.NewPool(10)
		// snippet: pond group before
		g := p.NewGroupContext(ctx)
		for _, n := range items {
			g.SubmitErr(func() error { return visit(n) })
		}
		err := g.Wait()
		// end snippet
		require.NoError(t, err)
		p.StopAndWait()
	}
	{
		// snippet: pond group after
		g, _ := errgroup.New(ctx, errgroup.Options{Limit: 10})
		for _, n := range items {
			g.Go(func() error { return visit(n) })
		}
		err := g.Wait()
		// end snippet
		require.NoError(t, err)
	}
	{
		p := pool.New(10, pool.Options{})
		// snippet: pond batch after
		b := p.Batch(ctx)
		for range items {
			b.Go(task)
		}
		b.Wait()
		// end snippet
		p.Close()
	}
	require.EqualValues(t, 6+6+3, ran.Swap(0))
}

func TestPondDifferences(t *testing.T) {
	t.Run("a panic", func(t *testing.T) {
		theirs := pond.NewPool(1)
		err := theirs.Submit(func() { panic(io.EOF) }).Wait()
		require.ErrorIs(t, err, pond.ErrPanic)
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, theirs.Go(func() { panic(io.EOF) })) // nobody hears of it
		theirs.StopAndWait()
		require.EqualValues(t, 2, theirs.FailedTasks())

		ours := pool.New(1, pool.Options{OnPanic: func(*core.PanicError) {}})
		f, err := pool.Submit(t.Context(), ours, func(context.Context) (int, error) { panic(io.EOF) })
		require.NoError(t, err)
		raised, _ := raised(func() { _, _ = f.Get() }).(error)
		require.ErrorIs(t, raised, io.EOF)
		ours.Go(func() { panic(io.EOF) })
		ours.Close()
		require.EqualValues(t, 2, ours.Stats().Panicked)
	})

	t.Run("the queue", func(t *testing.T) {
		theirs := pond.NewPool(1)
		require.Equal(t, pond.Unbounded, theirs.QueueSize())
		theirs.StopAndWait()
	})

	t.Run("a closed pool", func(t *testing.T) {
		theirs := pond.NewPool(1)
		theirs.StopAndWait()
		require.Equal(t, pond.ErrPoolStopped, theirs.Go(func() {}))
		ours := pool.New(1, pool.Options{})
		ours.Close()
		require.Equal(t, "pool: Go on a pool, which is closed", raised(func() { ours.Go(func() {}) }))
		require.False(t, ours.TryGo(func() {}))
		require.Equal(t, pool.ErrClosed, ours.GoContext(t.Context(), func(context.Context) {}))
	})

	t.Run("what has not begun at the first error", func(t *testing.T) {
		var theirs, ours, withContext atomic.Int32
		failed := errors.New("failed")
		p := pond.NewPool(1)
		g := p.NewGroupContext(t.Context())
		g.SubmitErr(func() error { return failed })
		g.SubmitErr(func() error { theirs.Add(1); return nil })
		require.Equal(t, failed, g.Wait())
		p.StopAndWait()
		require.Zero(t, theirs.Load())

		eg, ctx := errgroup.New(t.Context(), errgroup.Options{Limit: 1})
		eg.Go(func() error { return failed })
		eg.Go(func() error { ours.Add(1); return nil })
		err := eg.GoContext(ctx, func(context.Context) error { withContext.Add(1); return nil })
		require.Equal(t, failed, err)
		require.Equal(t, failed, eg.Wait())
		require.EqualValues(t, 1, ours.Load())
		require.Zero(t, withContext.Load())
	})

	t.Run("a goexit", func(t *testing.T) {
		ours := pool.New(1, pool.Options{})
		f, err := pool.Submit(t.Context(), ours, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		require.NoError(t, err)
		_, err = f.Get()
		require.Equal(t, core.ErrGoexit, err)
		ours.Close()
	})
}

func TestBugPondGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pond.NewPool(1)
		err := p.Submit(runtime.Goexit).Wait()
		t.Log(err)
	})
}

func TestBugPondNested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pond.NewPool(1)
		err := p.Submit(func() {
			_ = p.Submit(func() {}).Wait()
		}).Wait()
		t.Log(err)
	})
}
