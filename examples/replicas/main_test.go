package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/examples/internal/stop/stoptest"
)

func TestMain(m *testing.M) { stoptest.Main(m, main) }

func TestStatus(t *testing.T) {
	stoptest.Status(t, "one replica", "  p50 ", "-n=400")
}

// after is a replica that answers, or fails if err is not nil, after some time.
func after(d time.Duration, value string, err error) replica {
	return func(ctx context.Context, key string) (string, error) {
		select {
		case <-time.After(d):
			return value, err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// elapsed reads once and also returns how long it took.
func elapsed(t *testing.T, r replica) (string, time.Duration, error) {
	began := time.Now()
	v, err := r(t.Context(), "key")
	return v, time.Since(began), err
}

func TestHedged(t *testing.T) {
	const ms = time.Millisecond
	down := errors.New("down")
	for _, test := range []struct {
		name     string
		replicas []replica
		value    string
		took     time.Duration
	}{
		{"a quick first replica is the only one asked", []replica{after(5*ms, "a", nil), after(0, "never asked", nil)}, "a", 5 * ms},
		{"a slow one is overtaken", []replica{after(100*ms, "a", nil), after(5*ms, "b", nil)}, "b", 25 * ms},
		{"the next is asked at once when one fails", []replica{after(3*ms, "", down), after(5*ms, "b", nil)}, "b", 8 * ms},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, took, err := elapsed(t, hedged(20*ms, test.replicas...))
				require.NoError(t, err)
				require.Equal(t, test.value, v)
				require.Equal(t, test.took, took)
			})
		})
	}
}

func TestQuorum(t *testing.T) {
	const ms = time.Millisecond
	t.Run("the second of three decides", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			v, took, err := elapsed(t, quorum(2, after(90*ms, "v", nil), after(4*ms, "v", nil), after(7*ms, "v", nil)))
			require.NoError(t, err)
			require.Equal(t, "v", v)
			require.Equal(t, 7*ms, took)
		})
	})
	t.Run("replicas that disagree are an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, _, err := elapsed(t, quorum(2, after(4*ms, "v", nil), after(7*ms, "w", nil)))
			require.ErrorContains(t, err, "the replicas disagree about key")
		})
	})
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 100 {
		h.add(time.Duration(i+1)*time.Millisecond, nil)
	}
	h.add(time.Hour, errors.New("down"))
	require.Equal(t, `  p50 50ms, p95 95ms, p99 99ms, 1 failed
  to 5ms        5 ███
  to 10ms       5 ███
  to 20ms      10 █████
  to 40ms      20 ██████████
  to 80ms      40 ████████████████████
  to 160ms     20 ██████████
`, h.String())
	require.Equal(t, "  p50 0s, p95 0s, p99 0s, 0 failed\n", new(histogram).String())
}

func TestRun(t *testing.T) {
	t.Run("it draws the three ways", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		require.Zero(t, run(t.Context(), []string{"-n", "40"}, &stdout, &stderr), stderr.String())
		for _, want := range []string{"one replica\n", "hedged after 20ms\n", "quorum of 2\n"} {
			require.Contains(t, stdout.String(), want)
		}
		require.Equal(t, 3, strings.Count(stdout.String(), "p99"))
	})
	t.Run("a cancel ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stdout, stderr bytes.Buffer
		require.Equal(t, 1, run(ctx, nil, &stdout, &stderr))
		require.Equal(t, "replicas: context canceled; the last histogram is partial\n", stderr.String())
		require.Contains(t, stdout.String(), "one replica\n  p50 0s")
	})
	t.Run("bad usage is status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-n", "0"}, {"-hedge", "0s"}, {"-timeout", "-1s"}, {"extra"}, {"-nonsense"}} {
			var stdout, stderr bytes.Buffer
			require.Equal(t, 2, run(t.Context(), args, &stdout, &stderr))
			require.NotEmpty(t, stderr.String())
		}
	})
}
