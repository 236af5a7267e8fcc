package errgroup_test

import (
	"context"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/errgroup"
)

// exits tells whether f ends its goroutine by Goexit.
func exits(f func()) bool {
	returned := false
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f()
		returned = true
	}()
	<-ended
	return !returned
}

func goexit() error {
	runtime.Goexit()
	return nil
}

func TestPropagate(t *testing.T) {
	t.Run("a panic cancels the siblings at once and wait raises it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, collect := range []bool{false, true} {
				g, ctx := errgroup.New(t.Context(), errgroup.Options{Collect: collect})
				begin := time.Now()
				g.Go(untilDone(ctx))
				g.Go(func() error { <-ctx.Done(); return sleepThen(time.Second, errOther)() })
				g.Go(func() error { panic(errBoom) })
				p := caught(func() { _ = g.Wait() }).(*core.PanicError)
				require.Equal(t, errBoom, p.Value)
				require.Contains(t, string(p.Stack), "TestPropagate")
				require.Equal(t, time.Second, time.Since(begin), "wait raises when all have ended")
				require.ErrorIs(t, context.Cause(ctx), errBoom)
			}
		})
	})

	t.Run("a panic that the cancellation brings about comes second", func(t *testing.T) {
		for range 100 {
			g, ctx := errgroup.WithContext(t.Context())
			for range 4 {
				g.Go(func() error { <-ctx.Done(); panic("second") })
			}
			g.Go(func() error { panic("first") })
			p := caught(func() { _ = g.Wait() }).(*core.PanicError)
			require.Equal(t, "first", p.Value)
			require.Len(t, p.Others, 4)
		}
	})

	t.Run("a zero group lets the siblings run on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g errgroup.Group
			begin := time.Now()
			g.Go(sleepThen(time.Second, nil))
			g.Go(func() error { panic("boom") })
			require.Equal(t, "boom", caught(func() { _ = g.Wait() }).(*core.PanicError).Value)
			require.Equal(t, time.Second, time.Since(begin))
		})
	})

	t.Run("a panic does not stick, an error does", func(t *testing.T) {
		var g errgroup.Group
		g.Go(func() error { return errOther })
		g.Go(func() error { panic("boom") })
		require.NotNil(t, caught(func() { _ = g.Wait() }))
		require.Equal(t, errOther, g.Wait())
	})

	t.Run("a goexit is no success", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, ctx := errgroup.WithContext(t.Context())
			begin := time.Now()
			g.Go(func() error { <-ctx.Done(); return sleepThen(time.Second, nil)() })
			g.Go(goexit)
			require.True(t, exits(func() { _ = g.Wait() }))
			require.Equal(t, core.ErrGoexit, context.Cause(ctx))
			require.Equal(t, time.Second, time.Since(begin))
		})
	})

	t.Run("through nested groups the value stays in reach", func(t *testing.T) {
		outer, ctx := errgroup.WithContext(t.Context())
		outer.Go(func() error {
			inner, _ := errgroup.WithContext(ctx)
			inner.Go(func() error { panic(errBoom) })
			return inner.Wait()
		})
		p := caught(func() { _ = outer.Wait() }).(*core.PanicError)
		require.ErrorIs(t, p, errBoom)
	})

	t.Run("wait context raises, too", func(t *testing.T) {
		g, _ := errgroup.WithContext(t.Context())
		g.Go(func() error { panic("boom") })
		require.Equal(t, "boom", caught(func() { _ = g.WaitContext(t.Context()) }).(*core.PanicError).Value)
	})
}

func TestCapture(t *testing.T) {
	t.Run("a panic is the task's error", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Panics: core.Capture})
		g.Go(untilDone(ctx))
		g.Go(func() error { panic(errBoom) })
		err := g.Wait()
		require.ErrorIs(t, err, errBoom)
		p, ok := err.(*core.PanicError)
		require.True(t, ok)
		require.Contains(t, string(p.Stack), "TestCapture")
		require.Same(t, err, context.Cause(ctx))
	})

	t.Run("a goexit is one, too", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Panics: core.Capture})
		g.Go(untilDone(ctx))
		g.Go(goexit)
		require.Equal(t, core.ErrGoexit, g.Wait())
		require.Equal(t, core.ErrGoexit, context.Cause(ctx))
	})

	t.Run("all are collected", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Panics: core.Capture, Collect: true, Limit: 1})
		g.Go(func() error { panic("boom") })
		g.Go(goexit)
		g.Go(func() error { return errOther })
		got := multierr.Errors(g.Wait())
		require.Len(t, got, 3)
		require.Equal(t, "boom", got[0].(*core.PanicError).Value)
		require.Equal(t, []error{core.ErrGoexit, errOther}, got[1:])
	})
}

func TestCrash(t *testing.T) {
	crash := func() (int, error) { panic("boom") }
	for name, start := range map[string]func(g *errgroup.Group){
		"a task's": func(g *errgroup.Group) {
			g.Go(func() error { _, err := crash(); return err })
			_ = g.Wait()
		},
		"a fork's": func(g *errgroup.Group) { _, _ = errgroup.Fork(g, crash).Get() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range child.Many(1, 5) {
				inside, output, err := child.Run(t)
				if inside {
					g, ctx := errgroup.New(t.Context(), errgroup.Options{Panics: core.Crash})
					g.Go(untilDone(ctx))
					start(g)
					os.Exit(0)
				}
				child.Panicked(t, output, err, "panic: boom", "errgroup_test.TestCrash.func1")
			}
		})
	}

	t.Run("a goexit is as under propagate", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Panics: core.Crash})
		g.Go(goexit)
		require.True(t, exits(func() { _ = g.Wait() }))
		require.Equal(t, core.ErrGoexit, context.Cause(ctx))
	})
}

func TestErrorMethodsThatPanic(t *testing.T) {
	g, ctx := errgroup.WithContext(t.Context())
	g.Go(func() error { <-ctx.Done(); return panickingIs{} })
	g.Go(func() error { return errBoom })
	require.Equal(t, "in Is", caught(func() { _ = g.Wait() }).(*core.PanicError).Value)
	require.Equal(t, errBoom, g.Wait())
}

type panickingIs struct{}

func (panickingIs) Error() string { return "" }
func (panickingIs) Is(error) bool { panic("in Is") }
