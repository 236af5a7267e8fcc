package errgroup_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

type outcome = errgroup.Outcome[string]

func TestSettle(t *testing.T) {
	t.Run("all run, whatever fails, and the outcomes come in the order of the functions", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			got := errgroup.Settle(t.Context(),
				after(3*time.Second, "a", nil), after(time.Second, "beside", errBoom), after(2*time.Second, "", errOther))
			require.Equal(t, []outcome{{"a", nil}, {"beside", errBoom}, {"", errOther}}, got)
			at(t, begin, 3*time.Second)
		})
	})

	t.Run("of nothing it returns nothing", func(t *testing.T) {
		require.Empty(t, errgroup.Settle[string](t.Context()))
	})

	t.Run("with its context done nothing is started", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStop)
		never := func(context.Context) (string, error) { panic("started") }
		require.Equal(t, []outcome{{"", errStop}, {"", errStop}}, errgroup.Settle(ctx, never, never))
	})

	t.Run("a cancelled caller gets what there is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			got := errgroup.Settle(ctx, after(0, "a", nil), after(time.Minute, "b", nil))
			require.Equal(t, []outcome{{"a", nil}, {"cancelled b", context.DeadlineExceeded}}, got)
		})
	})

	settle := func(ctx context.Context, fs []fetch) { errgroup.Settle(ctx, fs...) }
	eachPosition(t, "a panic", panicAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		require.Equal(t, errBoom, caught(func() { settle(t.Context(), fs) }).(*core.PanicError).Value)
		at(t, begin, time.Second)
	})
	eachPosition(t, "a goexit", goexitAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		require.True(t, exits(func() { settle(t.Context(), fs) }))
		at(t, begin, time.Second)
	})
}

func TestErrors(t *testing.T) {
	var typedNil *fault
	wrapper := fmt.Errorf("load: %w", errors.Join(errBoom, errOther))
	for name, tc := range map[string]struct {
		err  error
		want []error
	}{
		"of nil":                   {nil, nil},
		"of one":                   {errBoom, []error{errBoom}},
		"of a joined error":        {errors.Join(errBoom, nil, errOther), []error{errBoom, errOther}},
		"of joined errors within":  {errors.Join(errors.Join(errBoom, multierr.Combine(errOther, errStop)), errBoom), []error{errBoom, errOther, errStop, errBoom}},
		"of what wraps several":    {fmt.Errorf("%w and %w", errBoom, errOther), []error{errBoom, errOther}},
		"of what wraps them":       {wrapper, []error{wrapper}},
		"of one without parts":     {joined{}, []error{joined{}}},
		"of nil parts alone":       {joined{nil, nil}, []error{joined{nil, nil}}},
		"of one of nil parts":      {joined{joined{nil}, errBoom}, []error{joined{nil}, errBoom}},
		"of nil parts and one":     {joined{nil, errBoom, nil}, []error{errBoom}},
		"of a typed nil":           {typedNil, []error{typedNil}},
		"of a typed nil among its": {joined{typedNil, errBoom}, []error{typedNil, errBoom}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, errgroup.Errors(tc.err)) })
	}

	t.Run("of a group that collects they are those of the tasks, in order", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Collect: true})
		g.Go(func() error { return errors.Join(errBoom, errOther) })
		g.Go(func() error { return errStop })
		require.Equal(t, []error{errBoom, errOther, errStop}, errgroup.Errors(g.Wait()))
	})
}

// A fault has methods that panic for nil.
type fault struct{ parts []error }

func (f *fault) Error() string   { return fmt.Sprint(f.parts) }
func (f *fault) Unwrap() []error { return f.parts }

type joined []error

func (j joined) Error() string   { return fmt.Sprint([]error(j)) }
func (j joined) Unwrap() []error { return j }
