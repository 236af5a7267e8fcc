package errgroup_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

func TestBackground(t *testing.T) {
	report := map[string]func(ctx context.Context) error{
		"Err":         context.Context.Err,
		"Cause":       context.Cause,
		"wrapped Err": func(ctx context.Context) error { return fmt.Errorf("serve: %w", ctx.Err()) },
		"wrapped Cause": func(ctx context.Context) error {
			return fmt.Errorf("serve: %w", context.Cause(ctx))
		},
	}
	for name, report := range report {
		serve := func(ctx context.Context) error {
			<-ctx.Done()
			return report(ctx)
		}

		t.Run(name+" of its context is no error when the others have ended", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, opts := range []errgroup.Options{{}, {Collect: true}, {Limit: 1, Name: "x"}} {
					begin := time.Now()
					g, _ := errgroup.New(t.Context(), opts)
					g.Background(serve)
					g.Go(func() error { time.Sleep(time.Second); return nil })
					require.NoError(t, g.Wait())
					require.Equal(t, time.Second, time.Since(begin))
					require.NoError(t, errgroup.RunWith(t.Context(), opts, func(_ context.Context, g *errgroup.Group) error {
						g.Background(serve)
						return nil
					}))
				}
				var zero errgroup.Group
				zero.Background(serve)
				require.NoError(t, zero.WaitContext(t.Context()))
			})
		})

		t.Run(name+" of its context is no error beside that of a task", func(t *testing.T) {
			g, ctx := errgroup.WithContext(t.Context())
			g.Background(serve)
			g.Go(func() error { return errBoom })
			<-ctx.Done()
			require.Equal(t, errBoom, g.Wait())
		})

		t.Run(name+" of its context is no error of a cancelled parent's", func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			g, _ := errgroup.WithContext(ctx)
			g.Background(serve)
			cancel(errStop)
			require.NoError(t, g.Wait())
		})
	}

	t.Run("the cause is ErrDone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var cause error
			g, ctx := errgroup.WithContext(t.Context())
			g.Background(func(ctx context.Context) error {
				<-ctx.Done()
				cause = context.Cause(ctx)
				return nil
			})
			time.Sleep(time.Minute)
			require.NoError(t, cause)
			require.NoError(t, g.Wait())
			require.Equal(t, core.ErrDone, cause)
			require.Equal(t, context.Canceled, context.Cause(ctx), "that is the group's")
		})
	})

	t.Run("any other error is one of the group", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, ctx := errgroup.WithContext(t.Context())
			g.Background(func(context.Context) error { time.Sleep(time.Second); return errBoom })
			begin := time.Now()
			g.Go(func() error { <-ctx.Done(); return ctx.Err() })
			require.Equal(t, errBoom, g.Wait())
			require.Equal(t, time.Second, time.Since(begin))

			g, _ = errgroup.WithContext(t.Context())
			g.Background(func(ctx context.Context) error { <-ctx.Done(); return errOther })
			require.Equal(t, errOther, g.Wait(), "also when its context is done")

			g, _ = errgroup.WithContext(t.Context())
			g.Background(func(context.Context) error { return context.Canceled })
			time.Sleep(time.Second)
			require.Equal(t, context.Canceled, g.Wait(), "its context is not done")
		})
	})

	t.Run("collecting, its place is where it was started", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true, Panics: core.Capture})
		g.Go(func() error { return errBoom })
		g.Background(func(ctx context.Context) error { <-ctx.Done(); return errStop })
		g.Background(func(ctx context.Context) error { <-ctx.Done(); panic(errBoom) })
		g.Background(func(ctx context.Context) error { <-ctx.Done(); return goexit() })
		g.Go(func() error { return errOther })
		errs := errgroup.Errors(g.Wait())
		require.Len(t, errs, 5)
		require.Equal(t, []error{errBoom, errStop}, errs[:2])
		require.ErrorContains(t, errs[2], "panic: boom")
		require.Equal(t, []error{core.ErrGoexit, errOther}, errs[3:])
	})

	t.Run("its panic and its Goexit cancel the group, and are raised", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, end := range []func() error{func() error { panic("boom") }, goexit} {
				begin := time.Now()
				g, ctx := errgroup.WithContext(t.Context())
				g.Go(func() error { <-ctx.Done(); return nil })
				g.Background(func(context.Context) error { time.Sleep(time.Second); return end() })
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					_ = g.Wait()
					t.Error("went on")
				}()
				<-done
				require.Equal(t, time.Second, time.Since(begin))
			}
		})
	})

	t.Run("misuse panics", func(t *testing.T) {
		var g errgroup.Group
		require.Equal(t, "errgroup: nil func", caught(func() { g.Background(nil) }))
		var ended *errgroup.Group
		require.NoError(t, errgroup.Run(t.Context(), func(_ context.Context, g *errgroup.Group) error { ended = g; return nil })) //coterie:escapes that the scope has ended is the point
		require.Equal(t, "errgroup: Background on a group, which has ended", caught(func() {
			ended.Background(func(context.Context) error { return nil })
		}))
		g.Background(func(ctx context.Context) error { return g.WaitContext(ctx) }) //coterie:selfwait that it waits for itself is the point
		require.Equal(t, "errgroup: WaitContext on a group within one of its own tasks", caught(func() { _ = g.Wait() }).(*core.PanicError).Value)
	})
}
