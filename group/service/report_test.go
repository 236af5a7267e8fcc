package service_test

import (
	"bytes"
	"context"
	"log/slog"
	"runtime/pprof"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/service"
)

func TestEvents(t *testing.T) {
	t.Run("an event has its time, service, kind, attempt and error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var got []service.Event
			err := service.Run(t.Context(), service.Options{Name: "app", Observe: func(e service.Event) { got = append(got, e) }},
				service.Service{Name: "db", Run: fail(second, errDown), Restart: service.Restart{Max: 1, Backoff: func(int) time.Duration { return second }}})
			require.Error(t, err)
			at := func(n time.Duration) time.Time { return start.Add(n * second) }
			require.Equal(t, []service.Event{
				{Time: at(0), Service: "db", Kind: service.Starting, Attempt: 1},
				{Time: at(0), Service: "db", Kind: service.Ready, Attempt: 1},
				{Time: at(1), Service: "db", Kind: service.Failed, Attempt: 1, Err: errDown},
				{Time: at(1), Service: "db", Kind: service.Restarting, Attempt: 1},
				{Time: at(2), Service: "db", Kind: service.Starting, Attempt: 2},
				{Time: at(2), Service: "db", Kind: service.Ready, Attempt: 2},
				{Time: at(3), Service: "db", Kind: service.Failed, Attempt: 2, Err: errDown},
			}, got)
		})
	})

	t.Run("Starting is told before Run is called, and Stopping before its context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), second)
			defer cancel()
			var inner context.Context
			err := service.Run(ctx, service.Options{Observe: func(e service.Event) {
				switch e.Kind {
				case service.Starting:
					time.Sleep(second / 2)
					synctest.Wait()
					require.Nil(t, inner)
				case service.Stopping:
					time.Sleep(second / 2)
					synctest.Wait()
					require.NoError(t, inner.Err())
				}
			}}, service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
				inner = ctx
				return serve(0, 0)(ctx, ready)
			}})
			require.NoError(t, err)
		})
	})

	t.Run("the Stuck event has the report", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), second)
			defer cancel()
			disk := make(chan int)
			defer close(disk)
			var told error
			err := service.Run(ctx, service.Options{Grace: second, Observe: func(e service.Event) { told = e.Err }},
				service.Service{Name: "db", Run: deaf(disk, well)})
			var stuck *core.StuckError
			require.ErrorAs(t, err, &stuck)
			require.Equal(t, error(stuck), told)
		})
	})

	t.Run("Observe is called by one goroutine at a time", func(t *testing.T) {
		told := 0 // -race would report it
		var services []service.Service
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			services = append(services, service.Service{Name: name, Run: func(_ context.Context, ready func()) error { ready(); return nil }})
		}
		require.NoError(t, service.Run(t.Context(), service.Options{Observe: func(service.Event) { told++ }}, services...))
		require.Equal(t, 3*len(services), told)
	})

	t.Run("kinds have names", func(t *testing.T) {
		names := ""
		for k := service.Starting; k <= service.Stuck; k++ {
			names += k.String() + " "
		}
		require.Equal(t, "starting ready failed restarting stopping ended stuck ", names)
		require.Equal(t, "EventKind(7)", service.EventKind(7).String())
		require.Equal(t, "EventKind(-1)", service.EventKind(-1).String())
	})
}

func TestLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*second)
		defer cancel()
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		attempt := 0
		err := service.Run(ctx, service.Options{Name: "app", Logger: logger},
			service.Service{Name: "d\nb", Restart: service.Restart{Max: 1}, Run: func(ctx context.Context, ready func()) error {
				if attempt++; attempt == 1 {
					return errDown
				}
				return serve(2*second, 3*second)(ctx, ready)
			}},
			service.Service{Name: "job", Run: job(4*second, nil)})
		require.NoError(t, err)
		require.Equal(t, `level=INFO msg=starting service="app/d\nb" attempt=1
level=INFO msg=starting service=app/job attempt=1
level=ERROR msg=failed service="app/d\nb" attempt=1 err=down
level=INFO msg=restarting service="app/d\nb" attempt=1
level=INFO msg=starting service="app/d\nb" attempt=2
level=INFO msg=ready service="app/d\nb" attempt=2 after=2s
level=INFO msg=ended service=app/job attempt=1 after=4s
level=INFO msg=stopping service="app/d\nb" attempt=2
level=INFO msg=ended service="app/d\nb" attempt=2 after=3s
`, log.String())
	})
}

func TestError(t *testing.T) {
	t.Run("a name with a newline is quoted", func(t *testing.T) {
		err := service.Run(t.Context(), service.Options{Name: "app"}, service.Service{Name: "d\nb", Run: job(0, errDown)})
		require.EqualError(t, err, `"app/d\nb": down`)
	})
	t.Run("without a name of the whole the service's stands alone", func(t *testing.T) {
		err := service.Run(t.Context(), service.Options{}, service.Service{Name: "db", Run: job(0, errDown)})
		require.EqualError(t, err, "db: down")
	})
	t.Run("it can be made by hand", func(t *testing.T) {
		require.EqualError(t, &service.Error{Cause: errDown}, "stopped: down")
		require.EqualError(t, &service.Error{Failed: []service.Failure{{Service: "db", Err: errDown}}, Cause: errDown}, "db: down")
		require.Empty(t, new(service.Error).Error())
		require.Empty(t, new(service.Error).Unwrap())
	})
}

func TestNesting(t *testing.T) {
	t.Run("a Run in a task of another owner takes on its path, and so does what a service owns", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), second)
			defer cancel()
			disk := make(chan int)
			defer close(disk)
			outer := group.New(group.Options{Name: "host"})
			var err error
			var label string
			require.NoError(t, outer.GoContext(ctx, func(ctx context.Context) {
				err = service.Run(ctx, service.Options{Name: "app", Grace: second},
					service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
						inner := group.New(group.Options{Name: "reader"})
						if err := inner.GoContext(ctx, func(ctx context.Context) { label, _ = pprof.Label(ctx, "coterie") }); err != nil {
							return err
						}
						inner.Wait()
						return deaf(disk, well)(ctx, ready)
					}},
					service.Service{Name: "web", Run: func(ctx context.Context, ready func()) error {
						<-ctx.Done()
						return errDown
					}})
			}))
			outer.Wait()
			var failure *service.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, "host/app/db", failure.Stuck[0].Owner)
			require.Equal(t, "host/app/db", failure.Stuck[0].Tasks[0].Name)
			require.Equal(t, "host/app/db/reader", label)
			require.Regexp(t, "^host/app/web: down\n", err.Error())
		})
	})

	t.Run("a Run can be the Run of a service", func(t *testing.T) {
		lines, err := observed(t, second, service.Options{Name: "app"},
			service.Service{Name: "db", Run: serve(0, second)},
			service.Service{Name: "workers", After: []string{"db"}, Run: func(ctx context.Context, ready func()) error {
				return service.Run(ctx, service.Options{Name: "inner", Observe: func(e service.Event) {
					if e.Kind == service.Ready && e.Service == "b" {
						ready()
					}
				}},
					service.Service{Name: "a", Run: serve(0, second)},
					service.Service{Name: "b", After: []string{"a"}, Run: func(ctx context.Context, ready func()) error {
						ready()
						<-ctx.Done()
						return errDown
					}})
			}})
		require.EqualError(t, err, "app/workers: app/workers/inner/b: down")
		require.ErrorIs(t, err, errDown)
		require.Equal(t, []string{
			"0s db starting", "0s db ready", "0s workers starting", "0s workers ready",
			"1s workers stopping", "2s workers failed: app/workers/inner/b: down", "2s db stopping", "3s db ended",
		}, lines)
	})

	t.Run("two at once do not know of each other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*second)
			defer cancel()
			var g group.Group
			shared := service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error { return serve(second, second)(ctx, ready) }}
			var one, two error
			g.Go(func() { one = service.Run(ctx, service.Options{}, shared) })
			g.Go(func() {
				two = service.Run(ctx, service.Options{}, shared, service.Service{Name: "web", Run: fail(2*second, errDown), After: []string{"db"}})
			})
			start := time.Now()
			g.Wait()
			require.NoError(t, one)
			require.EqualError(t, two, "web: down")
			require.Equal(t, 6*second, time.Since(start))
		})
	})
}
