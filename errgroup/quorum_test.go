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
				got, err := errgroup.Quorum(t.Context(), tc.n, raceOptions{}, tc.fs...)
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
		_, err := errgroup.Quorum(ctx, 1, raceOptions{}, never)
		require.Equal(t, errStop, err)
	})

	t.Run("a cancelled caller gets the reason, once, beside the errors", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errStop)
			defer cancel()
			begin := time.Now()
			_, err := errgroup.Quorum(ctx, 2, raceOptions{},
				after(time.Second, "", errBoom), after(time.Minute, "", nil), after(time.Minute, "", nil))
			require.EqualError(t, err, "boom; context deadline exceeded")
			at(t, begin, 2*time.Second)
		})
	})

	quorum := func(ctx context.Context, fs []fetch) { _, _ = errgroup.Quorum(ctx, 2, raceOptions{}, fs...) }

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

func TestQuorumOptions(t *testing.T) {
	t.Run("each success that is not returned is discarded once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var b bin
			got, err := errgroup.Quorum(t.Context(), 2, raceOptions{Discard: b.discard},
				deaf(3*time.Second, "a", nil), deaf(time.Second, "b", nil), deaf(4*time.Second, "c", errBoom),
				deaf(2*time.Second, "d", nil), deaf(5*time.Second, "e", nil))
			require.NoError(t, err)
			require.Equal(t, []string{"b", "d"}, got)
			require.Equal(t, []string{"a", "e"}, b.seen)
		})
	})

	t.Run("so are all if there are too few", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var b bin
			got, err := errgroup.Quorum(t.Context(), 3, raceOptions{Discard: b.discard},
				deaf(time.Second, "a", nil), deaf(2*time.Second, "", errBoom), deaf(3*time.Second, "c", nil), deaf(3*time.Second, "", errOther))
			require.EqualError(t, err, "boom; other")
			require.Nil(t, got)
			require.ElementsMatch(t, []string{"a", "c"}, b.seen)
			at(t, begin, 3*time.Second)
		})
	})

	t.Run("a panic of discard is raised, and the others are discarded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var b bin
			p := caught(func() {
				_, _ = errgroup.Quorum(t.Context(), 3, raceOptions{Discard: func(s string) { b.discard(s); panic("discard " + s) }},
					deaf(time.Second, "a", nil), deaf(2*time.Second, "b", nil), deaf(3*time.Second, "", errBoom))
			}).(*core.PanicError)
			require.Equal(t, "discard a", p.Value)
			require.Len(t, p.Others, 1)
			require.Equal(t, "discard b", p.Others[0].Value)
			require.Equal(t, []string{"a", "b"}, b.seen)
		})
	})

	t.Run("a goexit of discard goes on, and the others are discarded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var b bin
			require.True(t, exits(func() {
				_, _ = errgroup.Quorum(t.Context(), 3, raceOptions{Discard: func(s string) { b.discard(s); _ = goexit() }},
					deaf(time.Second, "a", nil), deaf(2*time.Second, "b", nil), deaf(3*time.Second, "", errBoom))
			}))
			require.Equal(t, []string{"a", "b"}, b.seen)
		})
	})

	late := deaf(2*time.Second, "a", nil)
	for name, bad := range map[string]fetch{"a panic": panicAfter(3 * time.Second), "a goexit": goexitAfter(3 * time.Second)} {
		t.Run(name+" leaves nobody who gets the results", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bin
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					_, _ = errgroup.Quorum(t.Context(), 1, raceOptions{Discard: b.discard}, late, late, bad)
					t.Error("went on")
				}()
				<-done
				require.Equal(t, []string{"a", "a"}, b.seen)
			})
		})
	}

	for _, tc := range []struct {
		name   string
		fs     []fetch
		starts []time.Duration
		ends   time.Duration
		want   []string
		err    string
	}{
		{
			name: "two start at once, and one more each time that the stagger has passed",
			fs: []fetch{after(time.Hour, "a", nil), after(time.Hour, "b", nil), after(3*time.Minute, "c", nil), after(time.Minute, "d", nil),
				after(time.Second, "e", nil)},
			starts: []time.Duration{0, 0, time.Minute, 2 * time.Minute, 3 * time.Minute},
			ends:   3*time.Minute + time.Second, want: []string{"d", "e"},
		},
		{
			name: "one more for each failure",
			fs: []fetch{after(2*time.Second, "", errBoom), after(2*time.Second, "", errOther), after(time.Second, "c", nil),
				after(2*time.Second, "d", nil)},
			starts: []time.Duration{0, 0, 2 * time.Second, 2 * time.Second},
			ends:   4 * time.Second, want: []string{"c", "d"},
		},
		{
			name:   "also of one that was not started last",
			fs:     []fetch{after(time.Second, "", errBoom), after(3*time.Second, "b", nil), after(time.Second, "c", nil)},
			starts: []time.Duration{0, 0, time.Second},
			ends:   3 * time.Second, want: []string{"c", "b"},
		},
		{
			name:   "none once it cannot succeed any more",
			fs:     []fetch{after(time.Second, "", errBoom), after(time.Second, "", errOther), after(time.Second, "", errStop), after(0, "", errStop)},
			starts: []time.Duration{0, 0, time.Second, time.Second},
			ends:   time.Second, err: "boom; other; stop",
		},
	} {
		t.Run("staggered: "+tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				starts := make([]time.Duration, len(tc.fs))
				for i, f := range tc.fs {
					tc.fs[i] = func(ctx context.Context) (string, error) {
						starts[i] = time.Since(begin)
						return f(ctx)
					}
				}
				got, err := errgroup.Quorum(t.Context(), 2, raceOptions{Stagger: time.Minute}, tc.fs...)
				at(t, begin, tc.ends)
				require.Equal(t, tc.want, got)
				require.Equal(t, tc.starts, starts)
				if tc.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tc.err)
				}
			})
		})
	}
}

func TestPermanent(t *testing.T) {
	permanent := func(err error) bool { return err == errStop }
	type call = func(ctx context.Context, opts raceOptions, fs ...fetch) ([]string, error)
	for name, run := range map[string]call{
		"Race": func(ctx context.Context, opts raceOptions, fs ...fetch) ([]string, error) {
			got, err := errgroup.Race(ctx, opts, fs...)
			require.Empty(t, got)
			return nil, err
		},
		"Quorum": func(ctx context.Context, opts raceOptions, fs ...fetch) ([]string, error) {
			return errgroup.Quorum(ctx, 2, opts, fs...)
		},
	} {
		t.Run("a permanent error is the answer of a "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var b bin
				got, err := run(t.Context(), raceOptions{Permanent: permanent, Discard: b.discard},
					after(time.Second, "", errBoom), after(2*time.Second, "", errStop), after(time.Hour, "", nil), deaf(3*time.Second, "d", nil))
				require.Nil(t, got)
				require.Equal(t, errStop, err, "alone and unchanged")
				require.Equal(t, []string{"d"}, b.seen, "what comes too late")
				at(t, begin, 3*time.Second)
			})
		})

		t.Run("none starts after it in a "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				never := func(context.Context) (string, error) { t.Error("started"); return "", nil }
				_, err := run(t.Context(), raceOptions{Permanent: permanent, Stagger: time.Minute},
					after(time.Second, "", errStop), after(time.Hour, "", nil), never, never)
				require.Equal(t, errStop, err)
				at(t, begin, time.Second)
			})
		})

		t.Run("what Permanent raises is that of the function, in a "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := caught(func() {
					_, _ = run(t.Context(), raceOptions{Permanent: func(error) bool { panic(errOther) }}, after(time.Second, "", errBoom), after(time.Hour, "", nil))
				}).(*core.PanicError)
				require.Equal(t, errOther, p.Value)
				require.True(t, exits(func() {
					_, _ = run(t.Context(), raceOptions{Permanent: func(error) bool { return goexit() == nil }},
						after(time.Second, "", errBoom), after(time.Hour, "", nil))
				}))
			})
		})
	}

	t.Run("an error that comes after the answer is not asked about", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			got, err := errgroup.Race(t.Context(), raceOptions{Permanent: func(error) bool { panic("asked") }},
				after(time.Second, "a", nil), deaf(2*time.Second, "", errStop))
			require.NoError(t, err)
			require.Equal(t, "a", got)
		})
	})

	t.Run("results of a quorum that is not reached are discarded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var b bin
			_, err := errgroup.Quorum(t.Context(), 2, raceOptions{Permanent: permanent, Discard: b.discard},
				after(time.Second, "a", nil), after(2*time.Second, "", errStop), after(time.Hour, "", nil))
			require.Equal(t, errStop, err)
			require.Equal(t, []string{"a"}, b.seen)
		})
	})
}
