package migrate_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/run"
	"github.com/stretchr/testify/require"
	"github.com/thejerf/suture/v4"
	"go.uber.org/fx"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group/service"
)

// A listener stands for one of net/http: Serve returns when it is closed.
type listener struct{ closed chan struct{} }

func newListener() *listener     { return &listener{make(chan struct{})} }
func (l *listener) Serve() error { <-l.closed; return nil }
func (l *listener) Close()       { close(l.closed) }
func wait(ctx context.Context)   { <-ctx.Done() }

// consume stands for the work of a service.
func consume(ctx context.Context) error { wait(ctx); return ctx.Err() }

// within calls f with a context that is done after a minute of fake time, and returns
// how long f took.
func within(t *testing.T, f func(ctx context.Context)) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		f(ctx)
		took = time.Since(start)
	})
	return took
}

func TestFromRun(t *testing.T) {
	ended := errors.New("the minute is over")
	minute := func(ctx context.Context) (func() error, func(error)) {
		return func() error { wait(ctx); return ended }, func(error) {}
	}
	took := within(t, func(ctx context.Context) {
		web := newListener()
		outer := ctx
		// snippet: run before
		var g run.Group
		ctx, cancel := context.WithCancel(context.Background())
		g.Add(func() error { return consume(ctx) }, func(error) { cancel() })
		g.Add(func() error { return web.Serve() }, func(error) { web.Close() })
		// end snippet
		g.Add(minute(outer))
		// snippet: run before, the end
		err := g.Run()
		// end snippet
		require.Equal(t, ended, err)
	})
	require.Equal(t, time.Minute, took)
	took = within(t, func(ctx context.Context) {
		web := newListener()
		// snippet: run after
		err := service.Run(ctx, service.Options{Grace: 10 * time.Second},
			service.Service{Name: "consume", Run: func(ctx context.Context, ready func()) error {
				ready()
				return consume(ctx)
			}},
			service.Service{Name: "web", After: []string{"consume"}, Run: func(ctx context.Context, ready func()) error {
				defer context.AfterFunc(ctx, web.Close)()
				ready()
				return web.Serve()
			}},
		)
		// end snippet
		require.NoError(t, err)
	})
	require.Equal(t, time.Minute, took)
	if signals := false; signals { // in a process of its own they would be caught
		ctx := t.Context()
		var g run.Group
		// snippet: run signals before
		g.Add(run.SignalHandler(ctx, os.Interrupt, syscall.SIGTERM))
		// end snippet
		// snippet: run signals after
		opts := service.Options{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
		// end snippet
		_ = opts
	}
}

func TestRunDifferences(t *testing.T) {
	t.Run("an actor that returns nil", func(t *testing.T) {
		took := within(t, func(ctx context.Context) {
			var g run.Group
			g.Add(func() error { return nil }, func(error) {})
			ctx, cancel := context.WithCancel(ctx)
			g.Add(func() error { return consume(ctx) }, func(error) { cancel() })
			require.NoError(t, g.Run())
		})
		require.Zero(t, took)
		took = within(t, func(ctx context.Context) {
			require.NoError(t, service.Run(ctx, service.Options{},
				service.Service{Name: "job", Run: func(context.Context, func()) error { return nil }},
				service.Service{Name: "consume", Run: func(ctx context.Context, _ func()) error { return consume(ctx) }}))
		})
		require.Equal(t, time.Minute, took)
	})

	t.Run("an interrupt that blocks", func(t *testing.T) {
		interrupted := false
		took := within(t, func(ctx context.Context) {
			var g run.Group
			g.Add(func() error { return errors.New("failed") }, func(error) {})
			slow := make(chan struct{})
			g.Add(func() error { <-slow; return nil }, func(error) { time.Sleep(time.Hour); close(slow) })
			last := make(chan struct{})
			g.Add(func() error { <-last; return nil }, func(error) { interrupted = true; close(last) })
			require.Error(t, g.Run())
		})
		require.True(t, interrupted)
		require.Equal(t, time.Hour, took, "the last one was interrupted after that")
	})

	t.Run("one that does not end", func(t *testing.T) {
		took := within(t, func(ctx context.Context) {
			release := make(chan struct{})
			time.AfterFunc(1000*time.Hour, func() { close(release) })
			var g run.Group
			g.Add(func() error { return errors.New("failed") }, func(error) {})
			g.Add(func() error { <-release; return nil }, func(error) {})
			require.Error(t, g.Run())
		})
		require.Equal(t, 1000*time.Hour, took)
		took = within(t, func(ctx context.Context) {
			release := make(chan struct{})
			err := service.Run(ctx, service.Options{Grace: time.Second},
				service.Service{Name: "deaf", Run: func(context.Context, func()) error { <-release; return nil }})
			var stuck *core.StuckError
			require.ErrorAs(t, err, &stuck)
			close(release)
		})
		require.Equal(t, time.Minute+time.Second, took)
	})

	t.Run("the error of the second", func(t *testing.T) {
		first, second := errors.New("first"), errors.New("second")
		var g run.Group
		stop := make(chan struct{})
		g.Add(func() error { return first }, func(error) {})
		g.Add(func() error { <-stop; return second }, func(error) { close(stop) })
		require.NotErrorIs(t, g.Run(), second)
		err := service.Run(t.Context(), service.Options{},
			service.Service{Name: "a", Run: func(context.Context, func()) error { return first }},
			service.Service{Name: "b", Run: func(ctx context.Context, _ func()) error { wait(ctx); return second }})
		require.ErrorIs(t, err, first)
		require.ErrorIs(t, err, second)
	})
}

// A feed is a service of suture's.
type feed struct {
	serve func(ctx context.Context) error
}

func (f *feed) Serve(ctx context.Context) error { return f.serve(ctx) }

func TestFromSuture(t *testing.T) {
	tries := 0
	flaky := func(ctx context.Context) error {
		if tries++; tries < 3 {
			return errors.New("connection refused")
		}
		return consume(ctx)
	}
	within(t, func(ctx context.Context) {
		// snippet: suture before
		s := suture.New("app", suture.Spec{FailureThreshold: 5, FailureBackoff: time.Second, Timeout: 10 * time.Second})
		s.Add(&feed{flaky})
		err := s.Serve(ctx)
		// end snippet
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	require.Equal(t, 3, tries)
	tries = 0
	within(t, func(ctx context.Context) {
		// snippet: suture after
		err := service.Run(ctx, service.Options{Name: "app", Grace: 10 * time.Second},
			service.Service{
				Name:    "feed",
				Run:     func(ctx context.Context, ready func()) error { ready(); return flaky(ctx) },
				Restart: service.Restart{Max: 5, Within: time.Minute, Backoff: func(int) time.Duration { return time.Second }},
			})
		// end snippet
		require.NoError(t, err)
	})
	require.Equal(t, 3, tries)
}

func TestSutureDifferences(t *testing.T) {
	spec := suture.Spec{Timeout: time.Second, EventHook: func(suture.Event) {}}

	t.Run("a service that returns nil", func(t *testing.T) {
		var theirs, ours atomic.Int32
		within(t, func(ctx context.Context) {
			s := suture.New("app", spec)
			s.Add(&feed{func(ctx context.Context) error { time.Sleep(time.Second); theirs.Add(1); return nil }})
			require.Error(t, s.Serve(ctx))
		})
		require.Greater(t, theirs.Load(), int32(1))
		within(t, func(ctx context.Context) {
			require.NoError(t, service.Run(ctx, service.Options{},
				service.Service{Name: "feed", Run: func(context.Context, func()) error { ours.Add(1); return nil }}))
		})
		require.EqualValues(t, 1, ours.Load())
	})

	t.Run("a service that always fails", func(t *testing.T) {
		failed := errors.New("failed")
		took := within(t, func(ctx context.Context) {
			s := suture.New("app", spec)
			s.Add(&feed{func(ctx context.Context) error { return failed }})
			require.NotErrorIs(t, s.Serve(ctx), failed)
		})
		require.Equal(t, time.Minute, took, "it is tried as long as the supervisor runs")
		took = within(t, func(ctx context.Context) {
			err := service.Run(ctx, service.Options{}, service.Service{
				Name: "feed", Run: func(context.Context, func()) error { return failed },
				Restart: service.Restart{Max: 5, Within: time.Minute, Backoff: func(int) time.Duration { return time.Second }},
			})
			require.ErrorIs(t, err, failed)
		})
		require.Equal(t, 5*time.Second, took)
	})

	t.Run("the order of stopping", func(t *testing.T) {
		slow := func(ctx context.Context) error { wait(ctx); time.Sleep(time.Second / 2); return nil }
		took := within(t, func(ctx context.Context) {
			s := suture.New("app", spec)
			s.Add(&feed{slow})
			s.Add(&feed{slow})
			require.Error(t, s.Serve(ctx))
		})
		require.Equal(t, time.Minute+time.Second/2, took, "both at once")
		took = within(t, func(ctx context.Context) {
			run := func(ctx context.Context, ready func()) error { ready(); return slow(ctx) }
			require.NoError(t, service.Run(ctx, service.Options{},
				service.Service{Name: "a", Run: run}, service.Service{Name: "b", After: []string{"a"}, Run: run}))
		})
		require.Equal(t, time.Minute+time.Second, took)
	})

	t.Run("a service that does not end", func(t *testing.T) {
		within(t, func(ctx context.Context) {
			release := make(chan struct{})
			s := suture.New("app", spec)
			s.Add(&feed{func(context.Context) error { <-release; return nil }})
			require.Error(t, s.Serve(ctx))
			report, err := s.UnstoppedServiceReport()
			require.NoError(t, err)
			require.Len(t, report, 1) // a name, and no stack
			close(release)
		})
	})
}

func TestFromFx(t *testing.T) {
	var order []string
	took := within(t, func(ctx context.Context) {
		db, web := newListener(), newListener()
		// snippet: fx before
		app := fx.New(fx.NopLogger, fx.Invoke(func(lc fx.Lifecycle) {
			lc.Append(fx.Hook{
				OnStart: func(context.Context) error { order = append(order, "db"); return nil },
				OnStop:  func(context.Context) error { order = append(order, "no db"); db.Close(); return nil },
			})
			lc.Append(fx.Hook{
				OnStart: func(context.Context) error { go web.Serve(); return nil },
				OnStop:  func(context.Context) error { order = append(order, "no web"); web.Close(); return nil },
			})
		}))
		// end snippet
		require.NoError(t, app.Start(ctx))
		wait(ctx)
		require.NoError(t, app.Stop(context.WithoutCancel(ctx)))
	})
	require.Equal(t, time.Minute, took)
	require.Equal(t, []string{"db", "no web", "no db"}, order)
	order = nil
	within(t, func(ctx context.Context) {
		web := newListener()
		// snippet: fx after
		err := service.Run(ctx, service.Options{Grace: 15 * time.Second, StartWithin: 15 * time.Second},
			service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
				order = append(order, "db")
				ready()
				<-ctx.Done()
				order = append(order, "no db")
				return nil
			}},
			service.Service{Name: "web", After: []string{"db"}, Run: func(ctx context.Context, ready func()) error {
				defer context.AfterFunc(ctx, web.Close)()
				ready()
				err := web.Serve()
				order = append(order, "no web")
				return err
			}},
		)
		// end snippet
		require.NoError(t, err)
	})
	require.Equal(t, []string{"db", "no web", "no db"}, order)
}

func TestFxDifferences(t *testing.T) {
	hooks := func(hooks ...fx.Hook) *fx.App {
		return fx.New(fx.NopLogger, fx.Invoke(func(lc fx.Lifecycle) {
			for _, hook := range hooks {
				lc.Append(hook)
			}
		}))
	}
	sleep := func(d time.Duration) func(context.Context) error {
		return func(ctx context.Context) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	slow := func(name string) service.Service {
		return service.Service{Name: name, Run: func(ctx context.Context, ready func()) error {
			if err := sleep(10 * time.Second)(ctx); err != nil {
				return err
			}
			ready()
			return consume(ctx)
		}}
	}

	t.Run("two that do not need each other", func(t *testing.T) {
		took := within(t, func(ctx context.Context) {
			require.NoError(t, hooks(fx.Hook{OnStart: sleep(10 * time.Second)}, fx.Hook{OnStart: sleep(10 * time.Second)}).Start(ctx))
		})
		require.Equal(t, 20*time.Second, took)
		within(t, func(ctx context.Context) {
			start, ready := time.Now(), 0
			require.NoError(t, service.Run(ctx, service.Options{Observe: func(e service.Event) {
				if e.Kind == service.Ready {
					ready++
					require.Equal(t, 10*time.Second, e.Time.Sub(start))
				}
			}}, slow("a"), slow("b")))
			require.Equal(t, 2, ready)
		})
	})

	t.Run("the time limit", func(t *testing.T) {
		within(t, func(ctx context.Context) {
			app := hooks(fx.Hook{OnStart: sleep(10 * time.Second)}, fx.Hook{OnStart: sleep(10 * time.Second)})
			start, cancel := context.WithTimeout(ctx, 15*time.Second)
			defer cancel()
			require.ErrorIs(t, app.Start(start), context.DeadlineExceeded, "for all of them")
		})
		within(t, func(ctx context.Context) {
			b := slow("b")
			b.After = []string{"a"}
			require.NoError(t, service.Run(ctx, service.Options{StartWithin: 15 * time.Second}, slow("a"), b))
		})
	})

	t.Run("one that does not stop", func(t *testing.T) {
		closed := false
		within(t, func(ctx context.Context) {
			release := make(chan struct{})
			app := hooks(
				fx.Hook{OnStart: sleep(0), OnStop: func(context.Context) error { closed = true; return nil }},
				fx.Hook{OnStart: sleep(0), OnStop: func(context.Context) error { <-release; return nil }})
			require.NoError(t, app.Start(ctx))
			require.Error(t, app.Stop(ctx))
			close(release)
			synctest.Wait()
			require.False(t, closed, "the one before it is not stopped")
		})
		within(t, func(ctx context.Context) {
			release := make(chan struct{})
			err := service.Run(ctx, service.Options{Grace: time.Second},
				service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error { ready(); wait(ctx); closed = true; return nil }},
				service.Service{Name: "web", After: []string{"db"}, Run: func(_ context.Context, ready func()) error { ready(); <-release; return nil }})
			require.Error(t, err)
			require.True(t, closed)
			close(release)
		})
	})
}
