package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group/service"
)

const second = time.Second

func TestOrder(t *testing.T) {
	t.Run("services start when those in After are ready, and stop in reverse", func(t *testing.T) {
		lines, err := observed(t, time.Minute, service.Options{},
			service.Service{Name: "web", After: []string{"mail", "db"}, Run: serve(1*second, 1*second)},
			service.Service{Name: "mail", After: []string{"db"}, Run: serve(2*second, 2*second)},
			service.Service{Name: "db", Run: serve(3*second, 3*second)},
		)
		require.NoError(t, err)
		require.Equal(t, []string{
			"0s db starting", "3s db ready",
			"3s mail starting", "5s mail ready",
			"5s web starting", "6s web ready",
			"1m0s web stopping", "1m1s web ended",
			"1m1s mail stopping", "1m3s mail ended",
			"1m3s db stopping", "1m6s db ended",
		}, lines)
	})

	t.Run("services that do not depend on each other start and stop at once", func(t *testing.T) {
		lines, err := observed(t, time.Minute, service.Options{},
			service.Service{Name: "a", Run: serve(2*second, 1*second)},
			service.Service{Name: "b", Run: serve(1*second, 2*second)},
			service.Service{Name: "c", After: []string{"a", "b"}, Run: serve(0, 0)},
		)
		require.NoError(t, err)
		require.Equal(t, []string{
			"0s a starting", "0s b starting", "1s b ready", "2s a ready", "2s c starting", "2s c ready",
			"1m0s c stopping", "1m0s c ended", "1m0s a stopping", "1m0s b stopping", "1m1s a ended", "1m2s b ended",
		}, lines)
	})

	t.Run("a job that has ended is ready", func(t *testing.T) {
		lines, err := observed(t, time.Minute, service.Options{},
			service.Service{Name: "web", After: []string{"migrate"}, Run: serve(0, 0)},
			service.Service{Name: "migrate", Run: job(5*second, nil)},
		)
		require.NoError(t, err)
		require.Equal(t, []string{
			"0s migrate starting", "5s migrate ended", "5s web starting", "5s web ready",
			"1m0s web stopping", "1m0s web ended",
		}, lines)
	})

	t.Run("a job may end at once", func(t *testing.T) {
		lines, err := observed(t, 0, service.Options{},
			service.Service{Name: "a", Run: job(0, nil)},
			service.Service{Name: "b", After: []string{"a", "a"}, Run: job(0, nil)},
		)
		require.NoError(t, err)
		require.Equal(t, []string{"0s a starting", "0s a ended", "0s b starting", "0s b ended"}, lines)
	})

	t.Run("the order of stopping leads through jobs that have ended", func(t *testing.T) {
		lines, err := observed(t, time.Minute, service.Options{},
			service.Service{Name: "db", Run: serve(0, 0)},
			service.Service{Name: "migrate", After: []string{"db"}, Run: job(0, nil)},
			service.Service{Name: "seed", After: []string{"migrate"}, Run: job(0, nil)},
			service.Service{Name: "web", After: []string{"seed"}, Run: serve(0, 7*second)},
		)
		require.NoError(t, err)
		require.Equal(t, []string{"1m0s web stopping", "1m7s web ended", "1m7s db stopping", "1m7s db ended"}, lines[len(lines)-4:])
	})

	t.Run("Run returns when all have ended by themselves", func(t *testing.T) {
		lines, err := observed(t, 0, service.Options{},
			service.Service{Name: "a", Run: fail(2*second, nil)},
			service.Service{Name: "b", After: []string{"a"}, Run: fail(1*second, nil)},
		)
		require.NoError(t, err)
		require.Equal(t, []string{
			"0s a starting", "0s a ready", "0s b starting", "0s b ready", "1s b ended", "2s a ended",
		}, lines)
	})

	t.Run("no services are nothing to do", func(t *testing.T) {
		require.NoError(t, service.Run(t.Context(), service.Options{}))
	})

	t.Run("what a service did before ready happens before those that come after it", func(t *testing.T) {
		var table string // -race would report it
		err := service.Run(t.Context(), service.Options{},
			service.Service{Name: "db", Run: func(_ context.Context, ready func()) error { table = "users"; ready(); return nil }},
			service.Service{Name: "web", After: []string{"db"}, Run: func(context.Context, func()) error {
				require.Equal(t, "users", table)
				return nil
			}})
		require.NoError(t, err)
	})

	for _, c := range []struct {
		name  string
		after func(i int) []string
	}{
		{"a chain", func(i int) []string { return []string{fmt.Sprint(i - 1)} }},
		{"a star", func(int) []string { return []string{"0"} }},
	} {
		t.Run("a thousand services start and stop in order: "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var services []service.Service
				running := make([]atomic.Bool, 1000)
				index := func(name string) (i int) { fmt.Sscan(name, &i); return i }
				for i := range running {
					s := service.Service{Name: fmt.Sprint(i)}
					if i > 0 {
						s.After = c.after(i)
					}
					check := func() {
						for _, name := range s.After {
							require.True(t, running[index(name)].Load())
						}
					}
					s.Run = func(ctx context.Context, ready func()) error {
						check()
						running[i].Store(true)
						defer running[i].Store(false)
						ready()
						<-ctx.Done()
						check()
						return nil
					}
					services = append(services, s)
				}
				slices.Reverse(services)
				ready := 0
				require.NoError(t, service.Run(ctx, service.Options{Observe: func(e service.Event) {
					if e.Kind == service.Ready {
						if ready++; ready == len(services) {
							cancel()
						}
					}
				}}, services...))
				require.Equal(t, 1000, ready)
			})
		})
	}
}

func TestBadInput(t *testing.T) {
	ran := func(context.Context, func()) error { panic("started") }
	for _, c := range []struct {
		name     string
		opts     service.Options
		services []service.Service
		want     string
	}{
		{"an empty name", service.Options{Name: "app"}, []service.Service{{Name: "a", Run: ran}, {Run: ran}}, "service: app: empty name of service 2 of 2"},
		{"an empty name without a name of the whole", service.Options{}, []service.Service{{Run: ran}}, "service: Run: empty name of service 1 of 1"},
		{"a double name", service.Options{Name: "app"}, []service.Service{{Name: "db", Run: ran}, {Name: "db", Run: ran}}, "service: app/db: double name"},
		{"a nil Run", service.Options{Name: "app"}, []service.Service{{Name: "db"}}, "service: app/db: nil Run"},
		{"an unknown After", service.Options{}, []service.Service{{Name: "web", Run: ran, After: []string{"db"}}}, `service: web: no such service in After, got "db"`},
		{"an empty After", service.Options{}, []service.Service{{Name: "web", Run: ran, After: []string{""}}}, `service: web: no such service in After, got ""`},
		{"a service after itself", service.Options{}, []service.Service{{Name: "a", Run: ran, After: []string{"a"}}}, "service: a: circular After: a after a"},
		{"a circle", service.Options{Name: "app"}, []service.Service{
			{Name: "before", Run: ran},
			{Name: "outside", Run: ran, After: []string{"before", "a"}},
			{Name: "a", Run: ran, After: []string{"before", "b"}},
			{Name: "b", Run: ran, After: []string{"c", "before"}},
			{Name: "c", Run: ran, After: []string{"a"}},
		}, "service: app/a: circular After: a after b after c after a"},
		{"a negative Grace", service.Options{}, []service.Service{{Name: "a", Run: ran, Grace: -second}}, "service: a: negative Grace, got -1s"},
		{"a negative Max", service.Options{}, []service.Service{{Name: "a", Run: ran, Restart: service.Restart{Max: -1}}}, "service: a: negative Restart.Max, got -1"},
		{"a negative Within", service.Options{}, []service.Service{{Name: "a", Run: ran, Restart: service.Restart{Within: -second}}}, "service: a: negative Restart.Within, got -1s"},
		{"a negative Options.Grace", service.Options{Name: "app", Grace: -1}, nil, "service: app: negative Options.Grace, got -1ns"},
		{"a negative StartWithin", service.Options{StartWithin: -1}, nil, "service: Run: negative Options.StartWithin, got -1ns"},
		{"a name with a newline", service.Options{Name: "app"}, []service.Service{{Name: "d\nb"}}, `service: "app/d\nb": nil Run`},
		{"a circle of names with newlines", service.Options{}, []service.Service{{Name: "a\n", Run: ran, After: []string{"a\n"}}}, `service: "a\n": circular After: "a\n after a\n"`},
	} {
		t.Run(c.name+" is an error before anything starts", func(t *testing.T) {
			c.opts.Observe = func(e service.Event) { t.Error(e) }
			require.EqualError(t, service.Run(t.Context(), c.opts, c.services...), c.want)
		})
	}

	t.Run("bad input is an error also if ctx is done", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, service.Run(ctx, service.Options{}, service.Service{Name: "a"}))
	})

	t.Run("a long chain without a circle is none", func(t *testing.T) {
		services := []service.Service{{Name: "0", Run: job(0, nil)}}
		for i := range 2_000 {
			services = append(services, service.Service{Name: fmt.Sprint(i + 1), Run: job(0, nil), After: []string{fmt.Sprint(i)}})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, service.Run(ctx, service.Options{}, services...))
		services[0].After = []string{"2000"}
		err := service.Run(ctx, service.Options{}, services...)
		require.Equal(t, 2_001, strings.Count(err.Error(), " after "))
	})

	t.Run("many ways from one service to another are no circle", func(t *testing.T) {
		services := []service.Service{{Name: "0a", Run: job(0, nil)}, {Name: "0b", Run: job(0, nil)}}
		for i := range 100 { // 2^100 ways
			after := []string{fmt.Sprint(i, "a"), fmt.Sprint(i, "b")}
			services = append(services,
				service.Service{Name: fmt.Sprint(i+1, "a"), Run: job(0, nil), After: after},
				service.Service{Name: fmt.Sprint(i+1, "b"), Run: job(0, nil), After: after})
		}
		require.NoError(t, service.Run(t.Context(), service.Options{}, services...))
	})

	t.Run("a nil context panics", func(t *testing.T) {
		require.PanicsWithValue(t, "service: nil context", func() {
			_ = service.Run(nil, service.Options{})
		})
	})
}
