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

// A fetch is a function with a result, as the compositions take them.
type fetch = func(ctx context.Context) (string, error)

// after returns a fetch that takes d, or until its context is done, and returns
// value and err.
func after(d time.Duration, value string, err error) fetch {
	return func(ctx context.Context) (string, error) {
		select {
		case <-time.After(d):
			return value, err
		case <-ctx.Done():
			return "cancelled " + value, ctx.Err()
		}
	}
}

// deaf is after that does not heed its context.
func deaf(d time.Duration, value string, err error) fetch {
	return func(context.Context) (string, error) {
		time.Sleep(d)
		return value, err
	}
}

// panicAfter returns a fetch that panics after d.
func panicAfter(d time.Duration) fetch {
	return func(context.Context) (string, error) {
		time.Sleep(d)
		panic(errBoom)
	}
}

// goexitAfter returns a fetch that calls Goexit after d.
func goexitAfter(d time.Duration) fetch {
	return func(context.Context) (string, error) {
		time.Sleep(d)
		return "", goexit()
	}
}

// at asserts that exactly d has passed since begin.
func at(t *testing.T, begin time.Time, d time.Duration) {
	t.Helper()
	require.Equal(t, d, time.Since(begin))
}

// eachPosition calls f in a bubble for each of the three positions of bad among
// fetches that succeed after 5 s unless they are cancelled.
func eachPosition(t *testing.T, name string, bad fetch, f func(t *testing.T, fs []fetch)) {
	for i := range 3 {
		t.Run(fmt.Sprintf("%s of number %d", name, i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := make([]fetch, 3)
				for j := range fs {
					fs[j] = after(5*time.Second, fmt.Sprint("value ", j), nil)
				}
				fs[i] = bad
				f(t, fs)
			})
		})
	}
}

func TestGather(t *testing.T) {
	t.Run("results come in the order of the functions", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			got, err := errgroup.Gather(t.Context(),
				after(3*time.Second, "a", nil), after(time.Second, "b", nil), after(2*time.Second, "c", nil))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b", "c"}, got)
			at(t, begin, 3*time.Second)
		})
	})

	t.Run("of nothing it returns nothing", func(t *testing.T) {
		got, err := errgroup.Gather[string](t.Context())
		require.NoError(t, err)
		require.Empty(t, got)
	})

	t.Run("with its context done nothing is started", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStop)
		got, err := errgroup.Gather(ctx, func(context.Context) (int, error) { panic("started") })
		require.Equal(t, errStop, err)
		require.Nil(t, got)
	})

	t.Run("a cancelled caller gets the reason", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := errgroup.Gather(ctx, after(time.Minute, "a", nil), after(time.Minute, "b", nil))
			require.Equal(t, context.DeadlineExceeded, err)
			at(t, begin, time.Second)
		})
	})

	eachPosition(t, "an error", after(time.Second, "", errBoom), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		got, err := errgroup.Gather(t.Context(), fs...)
		require.Equal(t, errBoom, err)
		require.Nil(t, got)
		at(t, begin, time.Second)
	})

	eachPosition(t, "a panic", panicAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		p := caught(func() { _, _ = errgroup.Gather(t.Context(), fs...) }).(*core.PanicError)
		require.Equal(t, errBoom, p.Value)
		at(t, begin, time.Second)
	})

	eachPosition(t, "a goexit", goexitAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		require.True(t, exits(func() { _, _ = errgroup.Gather(t.Context(), fs...) }))
		at(t, begin, time.Second)
	})
}

func TestAll(t *testing.T) {
	number := func(d time.Duration, n int, err error) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			_, err := after(d, "", err)(ctx)
			return n, err
		}
	}

	t.Run("results of different types are returned", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			s, n, err := errgroup.All2(t.Context(), after(2*time.Second, "a", nil), number(time.Second, 1, nil))
			require.NoError(t, err)
			require.Equal(t, "a", s)
			require.Equal(t, 1, n)
			at(t, begin, 2*time.Second)

			begin = time.Now()
			b, s, n, err := errgroup.All3(t.Context(),
				func(context.Context) (bool, error) { return true, nil },
				after(time.Second, "a", nil), number(3*time.Second, 1, nil))
			require.NoError(t, err)
			require.True(t, b)
			require.Equal(t, "a", s)
			require.Equal(t, 1, n)
			at(t, begin, 3*time.Second)
		})
	})

	t.Run("an error leaves no results", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			s, n, err := errgroup.All2(t.Context(), after(2*time.Second, "a", nil), number(time.Second, 1, errBoom))
			require.Equal(t, errBoom, err)
			require.Zero(t, s)
			require.Zero(t, n)
			at(t, begin, time.Second)
		})
	})

	three := func(ctx context.Context, fs []fetch) (string, string, string, error) {
		return errgroup.All3(ctx, fs[0], fs[1], fs[2])
	}
	eachPosition(t, "an error", after(time.Second, "x", errBoom), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		a, b, c, err := three(t.Context(), fs)
		require.Equal(t, errBoom, err)
		require.Empty(t, a+b+c)
		at(t, begin, time.Second)
	})

	eachPosition(t, "a panic", panicAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		require.ErrorIs(t, caught(func() { _, _, _, _ = three(t.Context(), fs) }).(*core.PanicError), errBoom)
		at(t, begin, time.Second)
		begin = time.Now()
		if v := caught(func() { _, _, _ = errgroup.All2(t.Context(), fs[0], fs[1]) }); v != nil {
			require.ErrorIs(t, v.(*core.PanicError), errBoom)
			at(t, begin, time.Second)
		}
	})

	eachPosition(t, "a goexit", goexitAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		require.True(t, exits(func() { _, _, _, _ = three(t.Context(), fs) }))
		at(t, begin, time.Second)
	})
}
