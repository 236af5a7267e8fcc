package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/panics"
	concpool "github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"
	"github.com/stretchr/testify/require"
	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func TestFromConc(t *testing.T) {
	ctx := t.Context()
	var ran atomic.Int32
	task := func() { ran.Add(1) }
	items := []int{1, 2, 3}
	fetch := func(ctx context.Context, n int) (string, error) { return fmt.Sprint(n), nil }
	visit := func(ctx context.Context, n int) error { return nil }
	{
		// snippet: conc waitgroup before
		var wg conc.WaitGroup
		wg.Go(task)
		wg.Wait()
		// end snippet
	}
	{
		// snippet: conc waitgroup after
		var g group.Group
		g.Go(task)
		g.Wait()
		// end snippet
	}
	{
		// snippet: conc pool before
		p := concpool.New().WithMaxGoroutines(10)
		p.Go(task)
		p.Wait()
		// end snippet
	}
	{
		// snippet: conc pool after
		g := group.New(group.Options{Limit: 10})
		g.Go(task)
		g.Wait()
		// end snippet
	}
	require.EqualValues(t, 4, ran.Load())
	{
		// snippet: conc context pool before
		p := concpool.New().WithContext(ctx).WithCancelOnError().WithFirstError()
		for _, n := range items {
			p.Go(func(ctx context.Context) error { return visit(ctx, n) })
		}
		err := p.Wait()
		// end snippet
		require.NoError(t, err)
	}
	{
		// snippet: conc context pool after
		err := errgroup.Run(ctx, func(ctx context.Context, g *errgroup.Group) error {
			for _, n := range items {
				g.Go(func() error { return visit(ctx, n) })
			}
			return nil
		})
		// end snippet
		require.NoError(t, err)
	}
	{
		// snippet: conc results before
		p := concpool.NewWithResults[string]().WithContext(ctx).WithCancelOnError()
		for _, n := range items {
			p.Go(func(ctx context.Context) (string, error) { return fetch(ctx, n) })
		}
		pages, err := p.Wait() // in the order in which they came
		// end snippet
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"1", "2", "3"}, pages)
	}
	{
		// snippet: conc results after
		pages, err := pool.MapSlice(ctx, len(items), items, fetch) // in the order of items
		// end snippet
		require.NoError(t, err)
		require.Equal(t, []string{"1", "2", "3"}, pages)
	}
	{
		// snippet: conc iter before
		iter.ForEach(items, func(n *int) { *n *= 2 })
		words := iter.Map(items, func(n *int) string { return fmt.Sprint(*n) })
		// end snippet
		require.Equal(t, []string{"2", "4", "6"}, words)
	}
	{
		// snippet: conc iter after
		err := pool.For(ctx, 0, len(items), func(_ context.Context, i int) error {
			items[i] *= 2
			return nil
		})
		words, err2 := pool.MapSlice(ctx, 0, items, func(_ context.Context, n int) (string, error) {
			return fmt.Sprint(n), nil
		})
		// end snippet
		require.NoError(t, errors.Join(err, err2))
		require.Equal(t, []string{"4", "8", "12"}, words)
	}
	var printed []string
	print := func(page string) { printed = append(printed, page) }
	{
		// snippet: conc stream before
		s := stream.New().WithMaxGoroutines(4)
		for _, n := range items {
			s.Go(func() stream.Callback {
				page, err := fetch(ctx, n)
				return func() {
					if err == nil {
						print(page)
					}
				}
			})
		}
		s.Wait()
		// end snippet
	}
	{
		// snippet: conc stream after
		for page, err := range pool.Map(ctx, 4, slices.Values(items), fetch) {
			if err == nil {
				print(page)
			}
		}
		// end snippet
	}
	require.Equal(t, []string{"4", "8", "12", "4", "8", "12"}, printed)
	{
		// snippet: conc catcher before
		caught := panics.Try(func() { panic(io.EOF) }).AsError()
		// end snippet
		require.ErrorIs(t, caught, io.EOF)
	}
	{
		// snippet: conc catcher after
		var caught error
		core.Call(func() { panic(io.EOF) }, func(p *core.PanicError) { caught = p })
		// end snippet
		require.ErrorIs(t, caught, io.EOF)
	}
}

// raised returns what f panics with.
func raised(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

func TestConcDifferences(t *testing.T) {
	t.Run("what is raised", func(t *testing.T) {
		var theirs conc.WaitGroup
		var ours group.Group
		theirs.Go(func() { panic(io.EOF) })
		ours.Go(func() { panic(io.EOF) })
		_, isError := raised(theirs.Wait).(error)
		require.False(t, isError)
		err, isError := raised(ours.Wait).(error)
		require.True(t, isError)
		require.ErrorIs(t, err, io.EOF)
	})

	t.Run("a panic stays", func(t *testing.T) {
		var theirs conc.WaitGroup
		var ours group.Group
		theirs.Go(func() { panic("broken") })
		ours.Go(func() { panic("broken") })
		require.NotNil(t, raised(theirs.Wait))
		require.NotNil(t, raised(ours.Wait))
		require.NotNil(t, raised(theirs.Wait)) // of a round in which nothing happened
		require.Nil(t, raised(ours.Wait))
	})

	t.Run("a goexit", func(t *testing.T) {
		var theirs conc.WaitGroup
		theirs.Go(runtime.Goexit)
		theirs.Wait() // returns
	})

	t.Run("a goexit of a task whose result is awaited in a loop", func(t *testing.T) {
		var after atomic.Bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			exit := func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil }
			for range pool.Map(t.Context(), 1, slices.Values([]int{1}), exit) { //coterie:waiterr the call ends its goroutine
			}
			after.Store(true)
		}()
		<-ended
		require.False(t, after.Load())
	})

	t.Run("further panics", func(t *testing.T) {
		var theirs conc.WaitGroup
		var ours group.Group
		for range 3 {
			theirs.Go(func() { panic("broken") })
			ours.Go(func() { panic("broken") })
		}
		require.IsType(t, (*panics.Recovered)(nil), raised(theirs.Wait)) // which has room for one
		require.Len(t, raised(ours.Wait).(*core.PanicError).Others, 2)
	})

	t.Run("go by a task while wait waits", func(t *testing.T) {
		var ours group.Group
		var ran atomic.Bool
		ours.Go(func() { ours.Go(func() { ran.Store(true) }) })
		ours.Wait()
		require.True(t, ran.Load())
	})

	t.Run("mapping after an error", func(t *testing.T) {
		items := make([]int, 1000)
		failed := errors.New("failed")
		var theirs, ours atomic.Int32
		_, err := iter.MapErr(items, func(*int) (int, error) { theirs.Add(1); return 0, failed })
		require.ErrorIs(t, err, failed)
		require.EqualValues(t, 1000, theirs.Load())
		_, err = pool.MapSlice(t.Context(), 1, items, func(context.Context, int) (int, error) { ours.Add(1); return 0, failed })
		require.Equal(t, failed, err)
		require.EqualValues(t, 1, ours.Load())
	})

	t.Run("a pool after wait", func(t *testing.T) {
		theirs := concpool.New()
		theirs.Go(func() {})
		theirs.Wait()
		require.NotNil(t, raised(func() { theirs.Go(func() {}) }))
		require.NotNil(t, raised(theirs.Wait))
	})

	t.Run("errors", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			slow := func() error { time.Sleep(time.Second); return errors.New("first started") }
			quick := func() error { return errors.New("first finished") }
			theirs := concpool.New().WithErrors()
			theirs.Go(slow)
			theirs.Go(quick)
			require.EqualError(t, multierr.Errors(theirs.Wait())[0], "first finished")
			ours, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true})
			ours.Go(slow)
			ours.Go(quick)
			require.EqualError(t, multierr.Errors(ours.Wait())[0], "first started")
		})
	})

	t.Run("the cause", func(t *testing.T) {
		failed := errors.New("failed")
		var theirs, ours error
		p := concpool.New().WithContext(t.Context()).WithCancelOnError().WithFirstError()
		p.Go(func(ctx context.Context) error { <-ctx.Done(); theirs = context.Cause(ctx); return nil })
		p.Go(func(context.Context) error { return failed })
		require.Error(t, p.Wait())
		require.Equal(t, context.Canceled, theirs)
		g, ctx := errgroup.WithContext(t.Context())
		g.Go(func() error { <-ctx.Done(); ours = context.Cause(ctx); return nil })
		g.Go(func() error { return failed })
		require.Error(t, g.Wait())
		require.Equal(t, failed, ours)
	})

	t.Run("iterators run on after a panic", func(t *testing.T) {
		items := make([]int, 1000)
		var theirs, ours atomic.Int32
		f := func(n *atomic.Int32) {
			if n.Add(1) == 1 {
				panic("broken")
			}
			time.Sleep(10 * time.Microsecond)
		}
		two := iter.Iterator[int]{MaxGoroutines: 2}
		require.NotNil(t, raised(func() { two.ForEach(items, func(*int) { f(&theirs) }) }))
		require.EqualValues(t, 1000, theirs.Load())
		require.NotNil(t, raised(func() {
			_ = pool.For(t.Context(), 2, len(items), func(context.Context, int) error { f(&ours); return nil })
		}))
		require.Less(t, ours.Load(), int32(1000))
	})
}

func TestBugConcStreamGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stream.New()
		s.Go(func() stream.Callback { runtime.Goexit(); return func() {} })
		s.Wait()
	})
}

func TestBugConcGoInTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := concpool.New().WithMaxGoroutines(1)
		//coterie:selfwait for the page: the bug that it shows
		p.Go(func() { p.Go(func() {}) })
		p.Wait()
	})
}
