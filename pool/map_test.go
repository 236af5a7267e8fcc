package pool_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

// count returns the sequence of 0..n-1, or an infinite one if n is negative, and
// a pointer that tells how far it got and another that tells whether it ended.
func count(n int) (seq func(yield func(int) bool), pulled *int, stopped *bool) {
	pulled, stopped = new(int), new(bool)
	return func(yield func(int) bool) {
		defer func() { *stopped = true }()
		for i := 0; i != n; i++ {
			*pulled++
			if !yield(i) {
				return
			}
		}
	}, pulled, stopped
}

func sleeper(d time.Duration) func(context.Context, int) (int, error) {
	return func(_ context.Context, i int) (int, error) {
		time.Sleep(d)
		return i * i, nil
	}
}

func TestMap(t *testing.T) {
	t.Run("yields in the order of the input", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			seq, _, _ := count(100)
			var got []int
			for r, err := range pool.Map(t.Context(), 8, seq, func(ctx context.Context, i int) (int, error) {
				time.Sleep(time.Duration(100-i) * time.Millisecond)
				return i * i, nil
			}) {
				require.NoError(t, err)
				got = append(got, r)
			}
			require.Len(t, got, 100)
			for i, r := range got {
				require.Equal(t, i*i, r)
			}
		})
	})

	t.Run("every worker is busy from the first item", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for n, want := range map[int]time.Duration{8: 100 * time.Millisecond, 80: time.Second} {
				start := time.Now()
				seq, _, _ := count(n)
				k := 0
				for _, err := range pool.Map(t.Context(), 8, seq, sleeper(100*time.Millisecond)) {
					require.NoError(t, err)
					k++
					require.Equal(t, time.Duration((k+7)/8)*100*time.Millisecond, time.Since(start))
				}
				require.Equal(t, want, time.Since(start))
			}
		})
	})

	t.Run("leaving the loop stops the input and joins the workers", func(t *testing.T) {
		for n := range 20 {
			seq, _, stopped := count(-1)
			k := 0
			for _, err := range pool.Map(t.Context(), 4, seq, sleeper(0)) {
				require.NoError(t, err)
				if k == n {
					break
				}
				k++
			}
			require.True(t, *stopped)
		}
	})

	t.Run("an error arrives after the results before it and ends the sequence", func(t *testing.T) {
		broken := errors.New("broken")
		seq, _, stopped := count(-1)
		k := 0
		for _, err := range pool.Map(t.Context(), 4, seq, func(_ context.Context, i int) (int, error) {
			if i == 10 {
				return 0, broken
			}
			return i, nil
		}) {
			if k == 10 {
				require.Equal(t, broken, err)
			} else {
				require.NoError(t, err)
			}
			k++
		}
		require.Equal(t, 11, k)
		require.True(t, *stopped)
	})

	t.Run("a panic of f is raised in the loop", func(t *testing.T) {
		seq, _, stopped := count(-1)
		defer func() {
			p := recover().(*core.PanicError)
			require.Equal(t, "boom", p.Value)
			require.True(t, *stopped)
		}()
		for range pool.Map(t.Context(), 4, seq, func(_ context.Context, i int) (int, error) {
			if i == 10 {
				panic("boom")
			}
			return i, nil
		}) {
		}
	})

	t.Run("a Goexit of f ends the goroutine of the loop", func(t *testing.T) {
		seq, _, stopped := count(-1)
		ended := make(chan bool)
		go func() {
			defer close(ended)
			for range pool.Map(t.Context(), 4, seq, func(_ context.Context, i int) (int, error) {
				if i == 10 {
					runtime.Goexit()
				}
				return i, nil
			}) {
			}
			ended <- true
		}()
		require.False(t, <-ended)
		require.True(t, *stopped)
	})

	t.Run("the end of the context is yielded once", func(t *testing.T) {
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		seq, _, stopped := count(-1)
		var errs []error
		k := 0
		for _, err := range pool.Map(ctx, 4, seq, sleeper(0)) {
			if k++; k == 10 {
				cancel(cause)
			}
			if err != nil {
				errs = append(errs, err)
			}
		}
		require.Equal(t, []error{cause}, errs)
		require.True(t, *stopped)
	})
}
