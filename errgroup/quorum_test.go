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

func TestQuorum(t *testing.T) {
	never := func(context.Context) (string, error) { panic("started") }
	for _, tc := range []struct {
		name string
		n    int
		fs   []fetch
		ends time.Duration
		want []string
		err  string
	}{
		{
			name: "the first successes are returned as they came", n: 2,
			fs:   []fetch{after(3*time.Second, "a", nil), after(2*time.Second, "b", nil), after(time.Second, "c", nil)},
			ends: 2 * time.Second, want: []string{"c", "b"},
		},
		{
			name: "failures that can be spared do not matter", n: 2,
			fs:   []fetch{after(time.Second, "a", nil), after(2*time.Second, "x", errBoom), after(3*time.Second, "c", nil)},
			ends: 3 * time.Second, want: []string{"a", "c"},
		},
		{
			name: "it fails as soon as it can no longer succeed", n: 2,
			fs:   []fetch{after(2*time.Second, "", errBoom), after(time.Second, "", errOther), after(time.Minute, "", nil)},
			ends: 2 * time.Second, err: "boom; other",
		},
		{
			name: "successes do not help if there are too few", n: 3,
			fs:   []fetch{after(time.Second, "a", nil), after(2*time.Second, "b", nil), after(3*time.Second, "", errBoom)},
			ends: 3 * time.Second, err: "boom",
		},
		{
			name: "reports of the cancellation are not told", n: 2,
			fs: []fetch{after(time.Second, "", errBoom), after(time.Second, "", errOther), func(ctx context.Context) (string, error) {
				<-ctx.Done()
				return "", fmt.Errorf("c: %w", ctx.Err())
			}},
			ends: time.Second, err: "boom; other",
		},
		{
			name: "an error that comes after that is told", n: 2,
			fs:   []fetch{deaf(2*time.Second, "", errStop), after(time.Second, "", errBoom), after(time.Second, "", errOther)},
			ends: 2 * time.Second, err: "stop; boom; other",
		},
		{
			name: "the decisive error is told whatever it is", n: 2,
			fs:   []fetch{after(time.Second, "", errBoom), after(2*time.Second, "", context.Canceled), after(time.Minute, "", nil)},
			ends: 2 * time.Second, err: "boom; context canceled",
		},
		{
			name: "the losers have ended", n: 1,
			fs:   []fetch{after(time.Second, "a", nil), deaf(2*time.Second, "b", nil)},
			ends: 2 * time.Second, want: []string{"a"},
		},
		{name: "of all", n: 2, fs: []fetch{after(time.Second, "a", nil), after(2*time.Second, "b", nil)},
			ends: 2 * time.Second, want: []string{"a", "b"}},
		{name: "of none", n: 0, fs: []fetch{never}},
		{name: "of none among none", n: 0},
		{name: "of more than there are", n: 2, fs: []fetch{never}, err: "errgroup: quorum of 2 among 1 functions"},
		{name: "of one among none", n: 1, err: "errgroup: quorum of 1 among 0 functions"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				got, err := errgroup.Quorum(t.Context(), tc.n, tc.fs...)
				at(t, begin, tc.ends)
				require.Equal(t, tc.want, got)
				if tc.err == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, tc.err)
				}
			})
		})
	}

	t.Run("with its context done nothing is started", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStop)
		_, err := errgroup.Quorum(ctx, 1, never)
		require.Equal(t, errStop, err)
	})

	t.Run("a cancelled caller gets the reason, once, beside the errors", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errStop)
			defer cancel()
			begin := time.Now()
			_, err := errgroup.Quorum(ctx, 2,
				after(time.Second, "", errBoom), after(time.Minute, "", nil), after(time.Minute, "", nil))
			require.EqualError(t, err, "boom; context deadline exceeded")
			at(t, begin, 2*time.Second)
		})
	})

	quorum := func(ctx context.Context, fs []fetch) { _, _ = errgroup.Quorum(ctx, 2, fs...) }

	eachPosition(t, "a panic", panicAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		p := caught(func() { quorum(t.Context(), fs) }).(*core.PanicError)
		require.Equal(t, errBoom, p.Value)
		at(t, begin, time.Second)
	})

	eachPosition(t, "a goexit", goexitAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		require.True(t, exits(func() { quorum(t.Context(), fs) }))
		at(t, begin, time.Second)
	})

	eachPosition(t, "a late panic", panicAfter(6*time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		p := caught(func() { quorum(t.Context(), fs) }).(*core.PanicError)
		require.Equal(t, errBoom, p.Value)
		at(t, begin, 6*time.Second)
	})
}
