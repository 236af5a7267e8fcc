package errgroup_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/errgroup"
)

func TestRun(t *testing.T) {
	collect := errgroup.Options{Collect: true}

	t.Run("it returns when body and tasks have ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var scope context.Context
			err := errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
				scope = ctx
				g.Go(sleepThen(2*time.Second, nil))
				return sleepThen(time.Second, nil)()
			})
			require.NoError(t, err)
			require.Equal(t, 2*time.Second, time.Since(begin))
			require.Equal(t, context.Canceled, context.Cause(scope))
		})
	})

	t.Run("every way to start a task panics when it has ended", func(t *testing.T) {
		var g *errgroup.Group
		require.NoError(t, errgroup.RunWith(t.Context(), errgroup.Options{Name: "x"}, func(_ context.Context, scope *errgroup.Group) error {
			g = scope //coterie:escapes what comes after the end is the point
			return nil
		}))
		fork := func() (int, error) { return 0, nil }
		for name, start := range map[string]func(){
			"Go":        func() { g.Go(nothing) },
			"TryGo":     func() { g.TryGo(nothing) },
			"GoNamed":   func() { g.GoNamed("late", nothing) },
			"GoContext": func() { _ = g.GoContext(t.Context(), func(context.Context) error { return nil }) },
			"Fork":      func() { errgroup.Fork(g, fork) },
		} {
			require.Equal(t, `errgroup: Go on group "x", which has ended`, caught(start), name)
		}
		require.NoError(t, g.Wait())
	})

	t.Run("an error of a task is returned", func(t *testing.T) {
		err := errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
			g.Go(func() error { return errBoom })
			return untilDone(ctx)()
		})
		require.Equal(t, errBoom, err)
	})

	t.Run("an error of body cancels the tasks", func(t *testing.T) {
		err := errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
			g.Go(untilDone(ctx))
			return errBoom
		})
		require.Equal(t, errBoom, err)
	})

	t.Run("a panic of nil in body is not lost where recover does not tell of it", func(t *testing.T) {
		t.Setenv("GODEBUG", "panicnil=1")
		raised := caught(func() {
			_ = errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
				g.Go(untilDone(ctx))
				panic(nil)
			})
		})
		require.IsType(t, new(runtime.PanicNilError), raised)
	})

	t.Run("an error of body comes first among those collected", func(t *testing.T) {
		err := errgroup.RunWith(t.Context(), collect, func(ctx context.Context, g *errgroup.Group) error {
			g.Go(func() error { return errOther })
			g.Go(func() error { require.NoError(t, ctx.Err()); return nil })
			return errBoom
		})
		require.EqualError(t, err, "boom; other")
	})

	t.Run("what wait has returned in body is not told twice", func(t *testing.T) {
		for _, cancel := range []bool{false, true} {
			err := errgroup.RunWith(t.Context(), collect, func(ctx context.Context, g *errgroup.Group) error {
				g.Go(func() error { return errBoom })
				g.Go(func() error { return errOther })
				if cancel {
					g.Cancel(errStop)
				}
				return g.Wait()
			})
			require.Equal(t, map[bool]string{false: "boom; other", true: "boom; other; stop"}[cancel], err.Error())
		}
	})

	t.Run("what body fails of after wait is told", func(t *testing.T) {
		for _, cancel := range []bool{false, true} {
			err := errgroup.RunWith(t.Context(), collect, func(ctx context.Context, g *errgroup.Group) error {
				g.Go(func() error { return errOther })
				if cancel {
					g.Cancel(errStop)
					g.Go(untilDone(ctx))
				}
				require.ErrorIs(t, g.Wait(), errOther)
				return errBoom
			})
			require.Equal(t, map[bool]string{false: "boom; other", true: "boom; other; stop"}[cancel], err.Error())
		}
	})

	t.Run("a panic of body cancels the tasks and goes on when they have ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var scope context.Context
			v := caught(func() {
				_ = errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
					scope = ctx
					g.Go(func() error { <-ctx.Done(); return sleepThen(time.Second, errOther)() })
					panic("body")
				})
			})
			require.Equal(t, "body", v)
			require.Equal(t, time.Second, time.Since(begin))
			require.Equal(t, "body", context.Cause(scope).(*core.PanicError).Value)
		})
	})

	t.Run("panics of tasks are others of that of body", func(t *testing.T) {
		v := caught(func() {
			_ = errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
				g.Go(func() error { <-ctx.Done(); panic("task") })
				panic("body")
			})
		})
		p := v.(*core.PanicError)
		require.Equal(t, "body", p.Value)
		require.Len(t, p.Others, 1)
		require.Equal(t, "task", p.Others[0].Value)
	})

	t.Run("a panic of a task is raised", func(t *testing.T) {
		v := caught(func() {
			_ = errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
				g.Go(func() error { panic(errBoom) })
				return untilDone(ctx)()
			})
		})
		require.Equal(t, errBoom, v.(*core.PanicError).Value)
	})

	t.Run("a goexit of body cancels and joins the tasks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var scope context.Context
			require.True(t, exits(func() {
				_ = errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
					scope = ctx
					g.Go(func() error { <-ctx.Done(); return sleepThen(time.Second, nil)() })
					runtime.Goexit()
					return nil
				})
			}))
			require.Equal(t, time.Second, time.Since(begin))
			require.Equal(t, core.ErrGoexit, context.Cause(scope))
		})
	})

	t.Run("a goexit of a task ends the caller", func(t *testing.T) {
		require.True(t, exits(func() {
			_ = errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
				g.Go(goexit)
				return nil
			})
		}))
	})

	t.Run("captured panics and goexits of tasks are errors", func(t *testing.T) {
		opts := errgroup.Options{Panics: core.Capture, Collect: true}
		err := errgroup.RunWith(t.Context(), opts, func(ctx context.Context, g *errgroup.Group) error {
			g.Go(func() error { panic(errBoom) })
			g.Go(goexit)
			return nil
		})
		require.ErrorIs(t, err, errBoom)
		require.ErrorIs(t, err, core.ErrGoexit)
	})
}

func TestFork(t *testing.T) {
	t.Run("the value is to come", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g errgroup.Group
			begin := time.Now()
			f := errgroup.Fork(&g, func() (int, error) { time.Sleep(time.Second); return 7, nil })
			v, err := f.Get()
			require.NoError(t, err)
			require.Equal(t, 7, v)
			require.Equal(t, time.Second, time.Since(begin))
			require.NoError(t, g.Wait())
		})
	})

	t.Run("a zero group may begin with one that panics, or calls Goexit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g, h errgroup.Group
			f := errgroup.Fork(&g, func() (int, error) { panic("boom") })
			require.Panics(t, func() { _, _ = f.Get() })
			require.Panics(t, func() { _ = g.Wait() })
			f = errgroup.Fork(&h, func() (int, error) { runtime.Goexit(); return 0, nil })
			_, err := f.Get()
			require.ErrorIs(t, err, core.ErrGoexit)
			ended := make(chan struct{})
			go func() { defer close(ended); _ = h.Wait() }()
			<-ended
		})
	})

	t.Run("an error is the future's and the group's", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		f := errgroup.Fork(g, func() (int, error) { return 7, errBoom })
		v, err := f.Get()
		require.Equal(t, errBoom, err)
		require.Equal(t, 7, v)
		require.Equal(t, errBoom, g.Wait())
		require.Equal(t, errBoom, context.Cause(ctx))
	})

	t.Run("an error comes before those of tasks that fail of it", func(t *testing.T) {
		for range 200 {
			g, ctx := errgroup.WithContext(t.Context())
			f := errgroup.Fork(g, func() (int, error) { return 0, errBoom })
			for range 3 {
				g.Go(func() error {
					_, err := f.Get()
					return fmt.Errorf("without a number: %w", err)
				})
			}
			require.Equal(t, errBoom, g.Wait())
			require.Equal(t, errBoom, context.Cause(ctx))
		}
	})

	t.Run("a panic is raised by both", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		f := errgroup.Fork(g, func() (int, error) { panic(errBoom) })
		require.ErrorIs(t, caught(func() { _, _ = f.Get() }).(*core.PanicError), errBoom)
		require.ErrorIs(t, caught(func() { _ = g.Wait() }).(*core.PanicError), errBoom)
		require.ErrorIs(t, context.Cause(ctx), errBoom)
	})

	t.Run("a goexit is the future's error and raised by wait", func(t *testing.T) {
		g, _ := errgroup.WithContext(t.Context())
		f := errgroup.Fork(g, func() (int, error) { return 7, goexit() })
		v, err := f.Get()
		require.Equal(t, core.ErrGoexit, err)
		require.Zero(t, v)
		require.True(t, exits(func() { _ = g.Wait() }))
	})

	for name, tc := range map[string]struct {
		policy core.PanicPolicy
		f      func() error
	}{
		"an error":          {core.Propagate, func() error { return errBoom }},
		"a panic":           {core.Propagate, func() error { panic(errBoom) }},
		"a goexit":          {core.Propagate, goexit},
		"a captured panic":  {core.Capture, func() error { panic(errBoom) }},
		"a captured goexit": {core.Capture, goexit},
	} {
		t.Run(name+" has cancelled the context when the future tells of it", func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
			for range child.Many(200, 1000) {
				g, ctx := errgroup.New(t.Context(), errgroup.Options{Panics: tc.policy})
				f := errgroup.Fork(g, func() (int, error) { return 0, tc.f() })
				for ended := false; !ended; {
					select {
					case <-f.Done():
						ended = true
					default:
						runtime.Gosched()
					}
				}
				require.Error(t, ctx.Err())
				exits(func() { caught(func() { _ = g.Wait() }) })
			}
		})
	}

	t.Run("a captured panic is the error of both", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Panics: core.Capture})
		f := errgroup.Fork(g, func() (int, error) { panic(errBoom) })
		_, err := f.Get()
		require.ErrorIs(t, err, errBoom)
		require.Same(t, err, g.Wait())
	})

	t.Run("a captured goexit is the error of both", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Panics: core.Capture})
		f := errgroup.Fork(g, func() (int, error) { return 7, goexit() })
		_, err := f.Get()
		require.Equal(t, core.ErrGoexit, err)
		require.Equal(t, core.ErrGoexit, g.Wait())
	})

	t.Run("a result stays, although an observer calls Goexit", func(t *testing.T) {
		defer sched.Observe(sched.Observer{Ended: func(e sched.Event) {
			if e.Path == "exits" {
				_ = goexit()
			}
		}})()
		g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "exits", Panics: core.Capture})
		f := errgroup.Fork(g, func() (int, error) { return 7, nil })
		require.Equal(t, core.ErrGoexit, g.Wait())
		v, err := f.Get()
		require.NoError(t, err)
		require.Equal(t, 7, v)
	})

	t.Run("each is collected once", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, Panics: core.Capture})
		for _, f := range []func() error{
			func() error { return errBoom }, func() error { panic(errStop) }, goexit, func() error { return errOther },
		} {
			errgroup.Fork(g, func() (int, error) { return 0, f() })
		}
		got := multierr.Errors(g.Wait())
		require.Len(t, got, 4)
		require.ErrorIs(t, got[1], errStop)
		require.Equal(t, []error{errBoom, got[1], core.ErrGoexit, errOther}, got)
	})
}
