package service_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group/service"
)

// failing returns a Run whose attempts are ready at once and fail after the given
// times; when these are used up it serves until ctx is done.
func failing(after ...time.Duration) func(context.Context, func()) error {
	return func(ctx context.Context, ready func()) error {
		if len(after) == 0 {
			return serve(0, 0)(ctx, ready)
		}
		d := after[0]
		after = after[1:]
		return fail(d, errDown)(ctx, ready)
	}
}

func TestRestart(t *testing.T) {
	t.Run("a failure restarts that service alone, and the others are told nothing", func(t *testing.T) {
		lines, err := observed(t, time.Minute, service.Options{},
			service.Service{Name: "db", Run: failing(second, second), Restart: service.Restart{
				Max: 2, Within: time.Minute, Backoff: func(attempt int) time.Duration { return time.Duration(attempt) * second },
			}},
			service.Service{Name: "web", After: []string{"db"}, Run: serve(0, 0)},
		)
		require.NoError(t, err)
		require.Equal(t, []string{
			"0s db starting", "0s db ready", "0s web starting", "0s web ready",
			"1s db failed: down", "1s db restarting", "2s db starting 2", "2s db ready 2",
			"3s db failed 2: down", "3s db restarting 2", "5s db starting 3", "5s db ready 3",
			"1m0s web stopping", "1m0s web ended", "1m0s db stopping 3", "1m0s db ended 3",
		}, lines)
	})

	t.Run("a nil Backoff, a zero and a negative one restart at once", func(t *testing.T) {
		for _, backoff := range []func(int) time.Duration{
			nil,
			func(int) time.Duration { return 0 },
			func(int) time.Duration { return -time.Hour },
		} {
			lines, err := observed(t, time.Minute, service.Options{},
				service.Service{Name: "db", Run: failing(second), Restart: service.Restart{Max: 1, Backoff: backoff}})
			require.NoError(t, err)
			require.Equal(t, []string{"1s db restarting", "1s db starting 2", "1s db ready 2"}, lines[3:6])
		}
	})

	t.Run("a Backoff may become shorter", func(t *testing.T) {
		lines, err := observed(t, time.Minute, service.Options{}, service.Service{Name: "db", Run: failing(0, 0), Restart: service.Restart{
			Max: 2, Backoff: func(attempt int) time.Duration { return time.Duration(3-attempt) * second },
		}})
		require.NoError(t, err)
		require.Equal(t, "3s db ready 3", lines[len(lines)-3])
	})

	t.Run("Backoff is given the number of the attempt that failed, from 1", func(t *testing.T) {
		var got []int
		_, err := observed(t, 0, service.Options{},
			service.Service{Name: "db", Run: job(0, errDown), Restart: service.Restart{Max: 3, Backoff: func(attempt int) time.Duration {
				got = append(got, attempt)
				return second
			}}})
		require.EqualError(t, err, "db: down")
		require.Equal(t, []int{1, 2, 3, 4}, got)
	})

	for _, c := range []struct {
		name    string
		restart service.Restart
		fails   []time.Duration
		ends    string // the last failure, if it is not covered
	}{
		{"no restart", service.Restart{}, []time.Duration{second}, "1s"},
		{"no restart without Max", service.Restart{Within: time.Hour}, []time.Duration{second}, "1s"},
		{"two in all", service.Restart{Max: 2}, []time.Duration{second, 1000 * time.Hour, 1000 * time.Hour}, "2000h0m1s"},
		{"one in each period", service.Restart{Max: 1, Within: 10 * second}, []time.Duration{second, 10*second + 1, 10*second + 1}, ""},
		{"a restart that is exactly Within ago counts", service.Restart{Max: 1, Within: 10 * second}, []time.Duration{second, 10 * second}, "11s"},
		{"a restart that is longer ago does not", service.Restart{Max: 1, Within: 10 * second}, []time.Duration{second, 10*second + 1, 10 * second}, "21.000000001s"},
		{"any period counts, not only those that begin with a restart", service.Restart{Max: 2, Within: 10 * second},
			[]time.Duration{second, 6 * second, 5 * second, 5 * second}, "17s"},
		{"the same by one nanosecond", service.Restart{Max: 2, Within: 10 * second}, []time.Duration{second, 6 * second, 5 * second, 5*second + 1}, ""},
		{"a Backoff longer than Within/Max never exhausts the budget",
			service.Restart{Max: 1, Within: 10 * second, Backoff: func(int) time.Duration { return 10*second + 1 }}, make([]time.Duration, 100), ""},
		{"a negative Backoff counts as none",
			service.Restart{Max: 1, Within: 10 * second, Backoff: func(int) time.Duration { return -time.Hour }}, []time.Duration{second, 10*second + 1}, ""},
		{"a Backoff of exactly Within does",
			service.Restart{Max: 1, Within: 10 * second, Backoff: func(int) time.Duration { return 10 * second }}, make([]time.Duration, 100), "10s"},
	} {
		t.Run("the budget: "+c.name, func(t *testing.T) {
			lines, err := observed(t, 10_000*time.Hour, service.Options{}, service.Service{Name: "db", Run: failing(c.fails...), Restart: c.restart})
			if c.ends == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, "db: down")
			require.Regexp(t, fmt.Sprintf(`^%s db failed`, c.ends), lines[len(lines)-1])
		})
	}

	t.Run("what a service without an end of its restarts keeps does not grow", func(t *testing.T) {
		const n = 20_000
		var before, after runtime.MemStats
		attempt := 0
		err := service.Run(t.Context(), service.Options{}, service.Service{
			Name: "db", Restart: service.Restart{Max: math.MaxInt},
			Run: func(context.Context, func()) error {
				switch attempt++; attempt {
				case 1:
					runtime.GC()
					runtime.ReadMemStats(&before)
				case n:
					runtime.GC()
					runtime.ReadMemStats(&after)
					return nil
				}
				return errDown
			},
		})
		require.NoError(t, err)
		require.Less(t, after.HeapAlloc, before.HeapAlloc+1<<18)
	})

	t.Run("a Run that returns nil is not restarted", func(t *testing.T) {
		lines, err := observed(t, 0, service.Options{}, service.Service{Name: "db", Run: job(0, nil), Restart: service.Restart{Max: 5}})
		require.NoError(t, err)
		require.Equal(t, []string{"0s db starting", "0s db ended"}, lines)
	})

	t.Run("a panic and a late start are restarted, too", func(t *testing.T) {
		attempt := 0
		lines, err := observed(t, time.Minute, service.Options{StartWithin: 5 * second},
			service.Service{Name: "db", Restart: service.Restart{Max: 3, Backoff: func(int) time.Duration { return second }},
				Run: func(ctx context.Context, ready func()) error {
					switch attempt++; attempt {
					case 1:
						<-ctx.Done()
						time.Sleep(second)
						return context.Cause(ctx)
					case 2:
						<-ctx.Done()
						return errDown
					case 3:
						panic(errDown)
					}
					return serve(4*second, 0)(ctx, ready)
				}})
		require.NoError(t, err)
		require.Equal(t, []string{
			"0s db starting", "5s db failed: not ready within 5s", "5s db stopping", "6s db restarting",
			"7s db starting 2", "12s db failed 2: not ready within 5s", "12s db stopping 2", "12s db failed 2: down", "12s db restarting 2",
			"13s db starting 3", "13s db failed 3: panic: down", "13s db restarting 3",
			"14s db starting 4", "18s db ready 4", "1m0s db stopping 4", "1m0s db ended 4",
		}, lines)
	})

	t.Run("a job that fails is tried again before those after it start", func(t *testing.T) {
		tries := 0
		lines, err := observed(t, time.Minute, service.Options{},
			service.Service{Name: "migrate", Restart: service.Restart{Max: 1}, Run: func(context.Context, func()) error {
				if tries++; tries == 1 {
					return errDown
				}
				return nil
			}},
			service.Service{Name: "web", After: []string{"migrate"}, Run: serve(0, 0)})
		require.NoError(t, err)
		require.Equal(t, []string{
			"0s migrate starting", "0s migrate failed: down", "0s migrate restarting", "0s migrate starting 2", "0s migrate ended 2",
			"0s web starting", "0s web ready", "1m0s web stopping", "1m0s web ended",
		}, lines)
	})

	t.Run("a service that cannot outlive another starts again once that is ready", func(t *testing.T) {
		attempt := 0
		lines, err := observed(t, time.Minute, service.Options{},
			service.Service{Name: "db", Restart: service.Restart{Max: 1}, Run: func(ctx context.Context, ready func()) error {
				if attempt++; attempt == 2 {
					return serve(10*second, 0)(ctx, ready)
				}
				ready()
				time.Sleep(second)
				return errDown
			}},
			service.Service{Name: "web", After: []string{"db"}, Restart: service.Restart{Max: 1}, Run: failing(2 * second)})
		require.NoError(t, err)
		require.Equal(t, []string{
			"0s db starting", "0s db ready", "0s web starting", "0s web ready",
			"1s db failed: down", "1s db restarting", "1s db starting 2",
			"2s web failed: down", "2s web restarting",
			"11s db ready 2", "11s web starting 2", "11s web ready 2",
			"1m0s web stopping 2", "1m0s web ended 2", "1m0s db stopping 2", "1m0s db ended 2",
		}, lines)
	})

	t.Run("the end of ctx does not wait for a Backoff, even if that is longer than the grace", func(t *testing.T) {
		lines, err := observed(t, 5*second, service.Options{Grace: second},
			service.Service{Name: "db", Run: job(second, errDown), Restart: service.Restart{Max: 1, Backoff: func(int) time.Duration { return time.Hour }}},
			service.Service{Name: "web", After: []string{"db"}, Run: serve(0, 0)})
		require.NoError(t, err)
		require.Equal(t, []string{"0s db starting", "1s db failed: down", "1s db restarting", "5s db ended"}, lines)
	})

	t.Run("a late attempt that has not ended when ctx does is not followed by another", func(t *testing.T) {
		lines, err := observed(t, second, service.Options{StartWithin: second / 2},
			service.Service{Name: "db", Run: job(3*second, nil), Restart: service.Restart{Max: 1}})
		require.NoError(t, err)
		require.Equal(t, []string{"0s db starting", "500ms db failed: not ready within 500ms", "500ms db stopping", "3s db ended"}, lines)
	})

	t.Run("nothing restarts while all stop", func(t *testing.T) {
		lines, err := observed(t, 5*second, service.Options{},
			service.Service{Name: "db", Run: failing(6 * second), Restart: service.Restart{Max: 10}},
			service.Service{Name: "web", After: []string{"db"}, Run: serve(0, 5*second)})
		require.EqualError(t, err, "db: down")
		require.Equal(t, []string{"5s web stopping", "6s db failed: down", "10s web ended"}, lines[4:])
	})

	t.Run("a late attempt whose service others use stops before they do", func(t *testing.T) {
		attempt := 0
		lines, err := observed(t, 0, service.Options{StartWithin: 2 * second},
			service.Service{Name: "db", Restart: service.Restart{Max: 1}, Run: func(ctx context.Context, ready func()) error {
				if attempt++; attempt == 1 {
					ready()
					return errDown
				}
				<-ctx.Done()
				return nil
			}},
			service.Service{Name: "web", After: []string{"db"}, Run: serve(0, second)})
		require.EqualError(t, err, "db: not ready within 2s")
		require.Equal(t, []string{
			"2s db failed 2: not ready within 2s", "2s web stopping", "2s db stopping 2", "2s db ended 2", "3s web ended",
		}, lines[len(lines)-5:])
	})
}

func TestRestartOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour-1)
		defer cancel()
		var services []service.Service
		for i := range 30 {
			services = append(services, service.Service{
				Name: fmt.Sprint(i), Run: fail(time.Duration(i+1)*second, errors.New("down")),
				Restart: service.Restart{Max: 1, Within: time.Duration(i+1)*second - 1},
			})
		}
		restarts := 0
		require.NoError(t, service.Run(ctx, service.Options{Observe: func(e service.Event) {
			if e.Kind == service.Restarting {
				restarts++
			}
		}}, services...))
		want := 0
		for i := range 30 {
			want += (3600 - 1) / (i + 1)
		}
		require.Equal(t, want, restarts)
	})
}
