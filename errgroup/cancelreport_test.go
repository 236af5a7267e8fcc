package errgroup_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

var (
	errStop  = errors.New("stop")
	errOther = errors.New("other")
)

// A nilError is an error whose methods cannot be called on a nil pointer.
type nilError struct{ err error }

func (e *nilError) Error() string { return e.err.Error() }
func (e *nilError) Unwrap() error { return e.err }

// A sliceError cannot be compared.
type sliceError []string

func (e sliceError) Error() string { return fmt.Sprint([]string(e)) }

// An isError is equal to what it holds in the eyes of errors.Is.
type isError struct{ target error }

func (e isError) Error() string        { return "is " + e.target.Error() }
func (e isError) Is(target error) bool { return target == e.target }

// cancelled returns a context that has nothing to do with any group and is done.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// What a task returns once the group's context is done, and whether Wait of a
// group that collects returns it beside the reason for that.
func TestCancellationReport(t *testing.T) {
	foreign := cancelled()
	for _, tc := range []struct {
		name string
		err  func(ctx context.Context) error
		told bool
	}{
		{"err of the context", context.Context.Err, false},
		{"cause of the context", context.Cause, false},
		{"what wraps the cause", func(ctx context.Context) error {
			return fmt.Errorf("task: %w", context.Cause(ctx))
		}, false},
		{"what wraps what wraps the cause", func(ctx context.Context) error {
			return fmt.Errorf("outer: %w", fmt.Errorf("inner: %w", context.Cause(ctx)))
		}, false},
		{"what is the cause to errors.Is", func(ctx context.Context) error {
			return isError{context.Cause(ctx)}
		}, false},
		{"err and cause, joined", func(ctx context.Context) error {
			return errors.Join(ctx.Err(), context.Cause(ctx))
		}, false},
		{"err and cause in a multierr", func(ctx context.Context) error {
			return multierr.Combine(ctx.Err(), context.Cause(ctx))
		}, false},
		{"cause and another error, joined", func(ctx context.Context) error {
			return errors.Join(context.Cause(ctx), errOther)
		}, true},
		{"cause and another error in a multierr", func(ctx context.Context) error {
			return multierr.Combine(context.Cause(ctx), errOther)
		}, true},
		{"cause and another error in one Errorf", func(ctx context.Context) error {
			return fmt.Errorf("%w: %w", errOther, context.Cause(ctx))
		}, true},
		{"another error", func(context.Context) error { return errOther }, true},
		{"what wraps the err of a foreign context", func(context.Context) error {
			return fmt.Errorf("task: %w", foreign.Err())
		}, true},
		{"what is the err of a foreign context to errors.Is", func(context.Context) error {
			return isError{foreign.Err()}
		}, true},
		{"another context's deadline", func(context.Context) error { return context.DeadlineExceeded }, true},
		{"a typed nil", func(context.Context) error { return (*nilError)(nil) }, true},
		{"what wraps nothing", func(context.Context) error { return &nilError{nil} }, true},
		{"what cannot be compared", func(context.Context) error { return sliceError{"a"} }, true},
		{"a join of nothing", func(context.Context) error { return emptyJoin{} }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g, ctx := errgroup.New(t.Context(), errgroup.Options{Collect: true})
			var returned error
			g.Go(func() error {
				<-ctx.Done()
				returned = tc.err(ctx)
				return returned
			})
			g.Cancel(errStop)
			got := g.Wait()
			want := errStop
			if tc.told {
				want = multierr.Combine(returned, errStop)
			}
			require.Equal(t, want, got)
		})
	}

	t.Run("a captured panic with the cause is an error", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Collect: true, Panics: core.Capture})
		g.Go(func() error { <-ctx.Done(); panic(context.Cause(ctx)) })
		g.Cancel(errStop)
		got := multierr.Errors(g.Wait())
		require.Len(t, got, 2)
		require.IsType(t, (*core.PanicError)(nil), got[0])
		require.Equal(t, errStop, got[1])
	})

	t.Run("a cause that cannot be compared", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Collect: true})
		g.Go(func() error { <-ctx.Done(); return fmt.Errorf("task: %w", sliceError{"b"}) })
		g.Go(func() error { <-ctx.Done(); return ctx.Err() })
		g.Cancel(sliceError{"a"})
		require.EqualError(t, g.Wait(), "task: [b]; [a]")
	})

	t.Run("what wraps the err of a context that was cancelled without a cause is in doubt, and told", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Collect: true})
		g.Go(func() error { <-ctx.Done(); return fmt.Errorf("task: %w", ctx.Err()) })
		g.Go(func() error { <-ctx.Done(); return isError{ctx.Err()} })
		g.Go(func() error { <-ctx.Done(); return ctx.Err() })
		g.Cancel(nil)
		require.EqualError(t, g.Wait(), "task: context canceled; is context canceled; context canceled")
	})

	t.Run("before the context is done there are no cancellation reports", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		g.Go(func() error { return foreign.Err() })
		require.Equal(t, context.Canceled, g.Wait())
		require.Equal(t, context.Canceled, context.Cause(ctx))

		g, _ = errgroup.New(t.Context(), errgroup.Options{Collect: true})
		for range 2 {
			g.Go(func() error { return fmt.Errorf("task: %w", foreign.Err()) })
			g.Go(func() error { return foreign.Err() })
		}
		require.EqualError(t, g.Wait(),
			"task: context canceled; context canceled; task: context canceled; context canceled")
	})
}

type emptyJoin struct{}

func (emptyJoin) Error() string   { return "nothing" }
func (emptyJoin) Unwrap() []error { return nil }
