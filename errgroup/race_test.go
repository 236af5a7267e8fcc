package errgroup_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

type raceOptions = errgroup.RaceOptions[string]

// A bin keeps what was discarded.
type bin struct {
	mu   sync.Mutex
	seen []string
}

func (b *bin) discard(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, s)
}

func TestRace(t *testing.T) {
	t.Run("the first success wins and the losers have ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			loserEnded := false
			got, err := errgroup.Race(t.Context(), raceOptions{},
				after(time.Second, "", errBoom),
				after(2*time.Second, "b", nil),
				func(ctx context.Context) (string, error) {
					<-ctx.Done()
					at(t, begin, 2*time.Second)
					time.Sleep(time.Second)
					loserEnded = true
					return "", ctx.Err()
				})
			require.NoError(t, err)
			require.Equal(t, "b", got)
			require.True(t, loserEnded)
			at(t, begin, 3*time.Second)
		})
	})

	t.Run("if all fail all errors are returned in the order of the functions", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			got, err := errgroup.Race(t.Context(), raceOptions{},
				after(3*time.Second, "x", errBoom), after(time.Second, "x", errOther), after(2*time.Second, "x", errStop))
			require.EqualError(t, err, "boom; other; stop")
			require.Empty(t, got)
			at(t, begin, 3*time.Second)
		})
	})

	t.Run("of nothing it is an error", func(t *testing.T) {
		_, err := errgroup.Race(t.Context(), raceOptions{})
		require.EqualError(t, err, "errgroup: race of no functions")
		_, err = errgroup.Race(t.Context(), raceOptions{Stagger: time.Second})
		require.EqualError(t, err, "errgroup: race of no functions")
	})

	t.Run("of one it is that one", func(t *testing.T) {
		got, err := errgroup.Race(t.Context(), raceOptions{Stagger: time.Hour}, after(0, "a", nil))
		require.NoError(t, err)
		require.Equal(t, "a", got)
		_, err = errgroup.Race(t.Context(), raceOptions{Stagger: time.Hour}, after(0, "a", errBoom))
		require.Equal(t, errBoom, err)
	})

	t.Run("with its context done nothing is started", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStop)
		_, err := errgroup.Race(ctx, raceOptions{}, func(context.Context) (string, error) { panic("started") })
		require.Equal(t, errStop, err)
	})

	t.Run("a cancelled caller gets the reason, once, beside the errors", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(2*time.Second, func() { cancel(errStop) })
			_, err := errgroup.Race(ctx, raceOptions{},
				after(time.Second, "", errBoom), after(time.Minute, "", nil),
				func(ctx context.Context) (string, error) {
					<-ctx.Done()
					return "", fmt.Errorf("dial: %w", ctx.Err())
				})
			require.EqualError(t, err, "boom; dial: context canceled")
			at(t, begin, 2*time.Second)
		})
	})

	t.Run("a success counts even if the caller was cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			got, err := errgroup.Race(ctx, raceOptions{}, after(time.Minute, "a", nil), deaf(2*time.Second, "b", nil))
			require.NoError(t, err)
			require.Equal(t, "b", got)
		})
	})

	t.Run("each success that lost is discarded once, also a late one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var b bin
			got, err := errgroup.Race(t.Context(), raceOptions{Discard: b.discard},
				deaf(3*time.Second, "a", nil),
				deaf(time.Second, "b", nil),
				deaf(4*time.Second, "c", errBoom),
				deaf(2*time.Second, "d", nil),
				after(time.Minute, "e", nil))
			require.NoError(t, err)
			require.Equal(t, "b", got)
			require.Equal(t, []string{"d", "a"}, b.seen)
			at(t, begin, 4*time.Second)
		})
	})

	t.Run("all at the same instant one wins and the others are discarded", func(t *testing.T) {
		for range 100 {
			synctest.Test(t, func(t *testing.T) {
				var b bin
				got, err := errgroup.Race(t.Context(), raceOptions{Discard: b.discard},
					deaf(time.Second, "a", nil), deaf(time.Second, "b", nil), deaf(time.Second, "c", nil))
				require.NoError(t, err)
				require.ElementsMatch(t, []string{"a", "b", "c"}, append(b.seen, got))
			})
		}
	})

	eachPosition(t, "a panic", panicAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		p := caught(func() { _, _ = errgroup.Race(t.Context(), raceOptions{}, fs...) }).(*core.PanicError)
		require.Equal(t, errBoom, p.Value)
		at(t, begin, time.Second)
	})

	eachPosition(t, "a goexit", goexitAfter(time.Second), func(t *testing.T, fs []fetch) {
		begin := time.Now()
		require.True(t, exits(func() { _, _ = errgroup.Race(t.Context(), raceOptions{}, fs...) }))
		at(t, begin, time.Second)
	})

	// The other two succeed after 5 s, heedless of their context.
	late := func(fs []fetch) []fetch {
		for i, f := range fs {
			fs[i] = func(context.Context) (string, error) { return f(context.Background()) }
		}
		return fs
	}

	eachPosition(t, "a late panic", panicAfter(6*time.Second), func(t *testing.T, fs []fetch) {
		var b bin
		p := caught(func() {
			_, _ = errgroup.Race(t.Context(), raceOptions{Discard: b.discard}, late(fs)...)
		}).(*core.PanicError)
		require.Equal(t, errBoom, p.Value)
		require.Len(t, b.seen, 2, "nobody gets the winner")
	})

	eachPosition(t, "a late goexit", goexitAfter(6*time.Second), func(t *testing.T, fs []fetch) {
		var b bin
		require.True(t, exits(func() {
			_, _ = errgroup.Race(t.Context(), raceOptions{Discard: b.discard}, late(fs)...)
		}))
		require.Len(t, b.seen, 2, "nobody gets the winner")
	})

	t.Run("a panic of discard is raised when all have ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var b bin
			discard := func(s string) {
				b.discard(s)
				panic("discard " + s)
			}
			p := caught(func() {
				_, _ = errgroup.Race(t.Context(), raceOptions{Discard: discard},
					deaf(time.Second, "a", nil), deaf(2*time.Second, "b", nil), deaf(3*time.Second, "c", nil))
			}).(*core.PanicError)
			require.Equal(t, "discard b", p.Value)
			require.Len(t, p.Others, 2)
			require.Equal(t, "discard c", p.Others[0].Value)
			require.Equal(t, "discard a", p.Others[1].Value, "of the winner, whom nobody gets")
			require.Equal(t, []string{"b", "c", "a"}, b.seen)
			at(t, begin, 3*time.Second)
		})
	})
}

func TestRaceStagger(t *testing.T) {
	for _, tc := range []struct {
		name    string
		stagger time.Duration
		fs      []fetch
		starts  []time.Duration
		ends    time.Duration
		won     string
		err     string
	}{
		{
			name: "without one all start at once",
			fs:   []fetch{after(3*time.Second, "a", nil), after(2*time.Second, "b", nil)}, starts: []time.Duration{0, 0},
			ends: 2 * time.Second, won: "b",
		},
		{
			name: "the next starts when the delay has passed", stagger: time.Second,
			fs:     []fetch{after(time.Minute, "a", nil), after(time.Minute, "b", nil), after(2*time.Second, "c", nil)},
			starts: []time.Duration{0, time.Second, 2 * time.Second}, ends: 4 * time.Second, won: "c",
		},
		{
			name: "the next starts when the one before has failed", stagger: time.Minute,
			fs:     []fetch{after(2*time.Second, "", errBoom), after(3*time.Second, "", errBoom), after(time.Second, "c", nil)},
			starts: []time.Duration{0, 2 * time.Second, 5 * time.Second}, ends: 6 * time.Second, won: "c",
		},
		{
			name: "whichever is first", stagger: 3 * time.Second,
			fs: []fetch{after(4*time.Second, "", errBoom), after(2*time.Second, "", errBoom), after(time.Minute, "", nil),
				after(time.Second, "d", nil)},
			starts: []time.Duration{0, 3 * time.Second, 5 * time.Second, 8 * time.Second}, ends: 9 * time.Second, won: "d",
		},
		{
			name: "a failure of one that is not the last counts for nothing", stagger: 3 * time.Second,
			fs:     []fetch{after(4*time.Second, "", errBoom), after(time.Minute, "b", nil), after(time.Second, "c", nil)},
			starts: []time.Duration{0, 3 * time.Second, 6 * time.Second}, ends: 7 * time.Second, won: "c",
		},
		{
			name: "none starts after a success", stagger: time.Second,
			fs:     []fetch{after(1500*time.Millisecond, "a", nil), after(time.Minute, "b", nil), after(0, "c", nil)},
			starts: []time.Duration{0, time.Second}, ends: 1500 * time.Millisecond, won: "a",
		},
		{
			name: "all fail", stagger: time.Minute,
			fs:     []fetch{after(time.Second, "", errBoom), after(time.Second, "", errOther)},
			starts: []time.Duration{0, time.Second}, ends: 2 * time.Second, err: "boom; other",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				starts := make([]time.Duration, len(tc.fs))
				for i, f := range tc.fs {
					starts[i] = -1
					tc.fs[i] = func(ctx context.Context) (string, error) {
						starts[i] = time.Since(begin)
						return f(ctx)
					}
				}
				got, err := errgroup.Race(t.Context(), raceOptions{Stagger: tc.stagger}, tc.fs...)
				at(t, begin, tc.ends)
				for len(tc.starts) < len(tc.fs) {
					tc.starts = append(tc.starts, -1)
				}
				require.Equal(t, tc.starts, starts)
				require.Equal(t, tc.won, got)
				if tc.err == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, tc.err)
				}
			})
		})
	}

	t.Run("none starts when the caller is cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errStop)
			defer cancel()
			_, err := errgroup.Race(ctx, raceOptions{Stagger: time.Minute},
				deaf(2*time.Second, "", errBoom), func(context.Context) (string, error) { panic("started") })
			require.EqualError(t, err, "boom; stop")
			at(t, begin, 2*time.Second)
		})
	})

	t.Run("the reason why one was not started is told whatever the others report", func(t *testing.T) {
		for _, tc := range []struct{ report, want string }{
			{"", "boom; stop"},
			{"dial: ", "boom; dial: context canceled; stop"},
		} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(3*time.Second, func() { cancel(errStop) })
				_, err := errgroup.Race(ctx, raceOptions{Stagger: time.Minute},
					after(time.Second, "", errBoom),
					func(ctx context.Context) (string, error) {
						<-ctx.Done()
						if tc.report == "" {
							return "", ctx.Err()
						}
						return "", fmt.Errorf("%s%w", tc.report, ctx.Err())
					},
					func(context.Context) (string, error) { panic("started") })
				require.EqualError(t, err, tc.want)
			})
		}
	})

	t.Run("a panic and a goexit let none start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			never := func(context.Context) (string, error) { t.Error("started"); return "", nil }
			begin := time.Now()
			opts := raceOptions{Stagger: time.Minute}
			require.NotNil(t, caught(func() { _, _ = errgroup.Race(t.Context(), opts, panicAfter(time.Second), never) }))
			require.True(t, exits(func() { _, _ = errgroup.Race(t.Context(), opts, goexitAfter(time.Second), never) }))
			at(t, begin, 2*time.Second)
		})
	})
}
