package errgroup_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/errgroup"
)

func nothing() error { return nil }

var packageGroup errgroup.Group

func TestGroup(t *testing.T) {
	t.Run("wait cancels the context, wait context that gives up does not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "ingest"})
			g.GoNamed("fetch", sleepThen(time.Minute, nil))
			impatient, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			for range 2 {
				err := g.WaitContext(impatient)
				var stuck *core.StuckError
				require.ErrorAs(t, err, &stuck)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 1, stuck.Running)
				require.Equal(t, "ingest/fetch", stuck.Tasks[0].Name)
				require.NoError(t, ctx.Err())
			}
			require.NoError(t, g.WaitContext(t.Context()))
			require.Equal(t, context.Canceled, context.Cause(ctx))
		})
	})

	t.Run("wait context returns the error", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		g.Go(func() error { return errBoom })
		require.Equal(t, errBoom, g.WaitContext(t.Context()))
		require.Equal(t, errBoom, context.Cause(ctx))
	})

	t.Run("wait context within one of the group's tasks panics", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		require.NoError(t, g.GoContext(ctx, func(ctx context.Context) error { return g.WaitContext(ctx) })) //coterie:selfwait that it panics is the point
		require.Equal(t, "errgroup: WaitContext on a group within one of its own tasks",
			caught(func() { _ = g.Wait() }).(*core.PanicError).Value)
	})

	t.Run("a zero group says that it is one of errgroup, however its first task was started", func(t *testing.T) {
		for name, start := range map[string]func(g *errgroup.Group, f func() error){
			"Go":    (*errgroup.Group).Go,
			"TryGo": func(g *errgroup.Group, f func() error) { g.TryGo(f) },
			"GoContext": func(g *errgroup.Group, f func() error) {
				_ = g.GoContext(t.Context(), func(context.Context) error { return f() })
			},
			"GoNamed":    func(g *errgroup.Group, f func() error) { g.GoNamed("named", f) },
			"Background": func(g *errgroup.Group, f func() error) { g.Background(func(context.Context) error { return f() }) },
			"Fork":       func(g *errgroup.Group, f func() error) { errgroup.Fork(g, func() (int, error) { return 0, f() }) },
		} {
			synctest.Test(t, func(t *testing.T) {
				var g errgroup.Group
				start(&g, func() error {
					time.Sleep(time.Second) // another goroutine waits too
					return g.Wait()         //coterie:selfwait that it panics is the point
				})
				require.Equal(t, "errgroup: Wait on a group within one of its own tasks",
					caught(func() { _ = g.Wait() }).(*core.PanicError).Value, name)
			})
		}
	})

	t.Run("several goroutines begin to use a zero group at once", func(t *testing.T) {
		for range 2000 {
			var g errgroup.Group
			var starters sync.WaitGroup
			begin := make(chan struct{})
			for range 4 {
				starters.Go(func() {
					<-begin
					g.Go(func() error { return errBoom })
				})
			}
			close(begin)
			starters.Wait()
			require.Equal(t, errBoom, g.Wait())
		}
	})

	t.Run("several goroutines wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g, waiters errgroup.Group
			g.Go(sleepThen(time.Second, errBoom))
			for range 3 {
				waiters.Go(func() error {
					require.Equal(t, errBoom, g.Wait())
					return nil
				})
			}
			require.NoError(t, waiters.Wait())
		})
	})

	t.Run("a package variable works in one bubble after another", func(t *testing.T) {
		for range 2 {
			synctest.Test(t, func(t *testing.T) {
				packageGroup.SetLimit(1)
				for range 3 {
					packageGroup.Go(sleepThen(time.Second, nil))
				}
				require.NoError(t, packageGroup.Wait())
			})
		}
	})

	t.Run("go never drops a task, even with the context done", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, ctx := errgroup.New(t.Context(), errgroup.Options{Limit: 1})
			begin := time.Now()
			g.Go(sleepThen(time.Minute, nil))
			time.AfterFunc(time.Second, func() { g.Cancel(errStop) })
			cleaned := false
			g.Go(func() error { cleaned = true; return nil })
			require.Equal(t, time.Minute, time.Since(begin))
			require.Error(t, ctx.Err())
			require.Equal(t, errStop, g.Wait())
			require.True(t, cleaned)
		})
	})

	t.Run("go context wakes at once and does not start the task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, ctx := errgroup.New(t.Context(), errgroup.Options{Limit: 1})
			begin := time.Now()
			g.Go(sleepThen(time.Minute, nil))
			time.AfterFunc(time.Second, func() { g.Cancel(errStop) })
			never := func(context.Context) error { panic("started") }
			require.Equal(t, errStop, g.GoContext(ctx, never))
			require.Equal(t, time.Second, time.Since(begin))
			require.Equal(t, errStop, g.GoContext(ctx, never), "with the context done already")
			require.Equal(t, time.Second, time.Since(begin))
			require.Equal(t, errStop, g.Wait())
			require.Equal(t, time.Minute, time.Since(begin))
		})
	})

	t.Run("go context that gives up is no error of the group", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		require.Equal(t, context.Canceled, g.GoContext(cancelled(), func(context.Context) error { panic("started") }))
		require.NoError(t, ctx.Err())
		require.NoError(t, g.Wait())
	})

	t.Run("go context gives the task a context derived from its own", func(t *testing.T) {
		type key struct{}
		var g errgroup.Group
		require.NoError(t, g.GoContext(context.WithValue(t.Context(), key{}, 7), func(ctx context.Context) error {
			require.Equal(t, 7, ctx.Value(key{}))
			return errBoom
		}))
		require.Equal(t, errBoom, g.Wait())
	})

	t.Run("the limit may be set while tasks run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g errgroup.Group
			start := func() bool { return g.TryGo(sleepThen(time.Minute, nil)) }
			for range 3 {
				require.True(t, start())
			}
			g.SetLimit(3)
			require.False(t, start())
			g.SetLimit(5)
			require.True(t, start())
			require.True(t, start())
			require.False(t, start())
			g.SetLimit(2)
			require.False(t, start())
			time.Sleep(time.Hour)
			require.True(t, start())
			require.True(t, start())
			require.False(t, start())
			g.SetLimit(0)
			time.Sleep(time.Hour)
			require.False(t, start())
			g.SetLimit(-1)
			require.True(t, start())
			require.NoError(t, g.Wait())
		})
	})

	t.Run("raising the limit wakes go", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g errgroup.Group
			g.SetLimit(0)
			time.AfterFunc(time.Second, func() { g.SetLimit(1) })
			begin := time.Now()
			g.Go(nothing)
			require.Equal(t, time.Second, time.Since(begin))
			require.NoError(t, g.Wait())
		})
	})

	t.Run("no more tasks run than limit and semaphore allow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(3)
			a, _ := errgroup.New(t.Context(), errgroup.Options{Limit: 2, Semaphore: shared})
			b, _ := errgroup.New(t.Context(), errgroup.Options{Limit: 2, Semaphore: shared})
			var now, most atomic.Int32
			task := func() error {
				n := now.Add(1)
				most.Store(max(most.Load(), n))
				time.Sleep(time.Second)
				now.Add(-1)
				return nil
			}
			begin := time.Now()
			for range 15 {
				a.Go(task)
				b.Go(task)
			}
			require.NoError(t, a.Wait())
			require.NoError(t, b.Wait())
			require.EqualValues(t, 3, most.Load())
			require.Equal(t, 10*time.Second, time.Since(begin))
		})
	})

	t.Run("tasks start tasks while wait waits", func(t *testing.T) {
		var g errgroup.Group
		var ran atomic.Int32
		var task func(depth int) error
		task = func(depth int) error {
			ran.Add(1)
			if depth == 0 {
				return errBoom
			}
			g.Go(func() error { return task(depth - 1) })
			g.Go(func() error { return task(depth - 1) })
			return nil
		}
		g.Go(func() error { return task(5) })
		require.Equal(t, errBoom, g.Wait())
		require.EqualValues(t, 63, ran.Load())
	})

	t.Run("names nest through contexts and label the tasks", func(t *testing.T) {
		outer, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "ingest"})
		require.NoError(t, outer.GoContext(ctx, func(ctx context.Context) error {
			label, _ := pprof.Label(ctx, "coterie")
			require.Equal(t, "ingest", label)
			inner, _ := errgroup.WithContext(ctx)
			inner.GoNamed("fetch", func() error { return errBoom })
			return inner.Wait()
		}))
		err := outer.Wait()
		require.EqualError(t, err, "ingest/fetch: boom")
	})
}

func TestGroupCancel(t *testing.T) {
	t.Run("its cause is the group's error", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		g.Go(untilDone(ctx))
		g.Cancel(errStop)
		g.Cancel(errOther)
		require.Equal(t, errStop, g.Wait())
		require.Equal(t, errStop, context.Cause(ctx))
	})

	t.Run("nil stands for context canceled", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		g.Cancel(nil)
		require.Equal(t, context.Canceled, g.Wait())
		require.Equal(t, context.Canceled, context.Cause(ctx))
	})

	t.Run("a group with a name has no task yet", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "ingest"})
		g.Cancel(errStop)
		require.ErrorIs(t, g.Wait(), errStop)
		require.ErrorIs(t, context.Cause(ctx), errStop)
	})

	t.Run("an error came first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, ctx := errgroup.WithContext(t.Context())
			g.Go(func() error { return errBoom })
			synctest.Wait()
			g.Cancel(errStop)
			require.Equal(t, errBoom, g.Wait())
			require.Equal(t, errBoom, context.Cause(ctx))
		})
	})

	t.Run("a zero group has an error and no context", func(t *testing.T) {
		var g errgroup.Group
		g.Cancel(errStop)
		require.Equal(t, errStop, g.Wait())
	})
}

func TestTaskError(t *testing.T) {
	for _, tc := range []struct{ group, task, text string }{
		{"ingest", "fetch", "ingest/fetch: boom"},
		{"", "fetch", "fetch: boom"},
		{"ingest", "", "ingest: boom"},
		{"", "", "boom"},
	} {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Name: tc.group})
		g.GoNamed(tc.task, func() error { return errBoom })
		err := g.Wait()
		require.EqualError(t, err, tc.text)
		require.ErrorIs(t, err, errBoom)
		var task *errgroup.TaskError
		require.ErrorAs(t, err, &task)
		require.Equal(t, strings.TrimSuffix(strings.TrimSuffix(tc.text, "boom"), ": "), task.Path)
		require.Equal(t, errBoom, task.Err)
		require.Same(t, err, context.Cause(ctx))
	}

	t.Run("a nil error stays nil", func(t *testing.T) {
		var g errgroup.Group
		g.GoNamed("fetch", nothing)
		require.NoError(t, g.Wait())
	})

	t.Run("collected, each error has its task's path", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "ingest", Collect: true})
		g.GoNamed("fetch", func() error { return errBoom })
		g.Go(func() error { return errOther })
		g.GoNamed("parse", func() error { return errBoom })
		require.EqualError(t, g.Wait(), "ingest/fetch: boom; other; ingest/parse: boom")
	})

	t.Run("a cancellation report of a named task is one", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Collect: true})
		g.GoNamed("fetch", untilDone(ctx))
		g.Cancel(errStop)
		require.Equal(t, errStop, g.Wait())
	})

	t.Run("a captured panic has the path", func(t *testing.T) {
		g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "ingest", Panics: core.Capture})
		g.GoNamed("fetch", func() error { panic(errBoom) })
		var task *errgroup.TaskError
		require.ErrorAs(t, g.Wait(), &task)
		require.Equal(t, "ingest/fetch", task.Path)
		require.IsType(t, (*core.PanicError)(nil), task.Err)
		require.EqualError(t, task, "panic in ingest/fetch: boom", "the path stands there once")
	})

	t.Run("a captured panic of another task, which wraps it, keeps both paths", func(t *testing.T) {
		err := &errgroup.TaskError{Path: "ingest", Err: &core.PanicError{Task: "ingest/fetch", Value: errBoom}}
		require.EqualError(t, err, "ingest: panic in ingest/fetch: boom")
	})

	t.Run("a panic has the path", func(t *testing.T) {
		for name, start := range starters {
			g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "ingest"})
			start(g, func() error { panic(errBoom) })
			p := caught(func() { _ = g.Wait() }).(*core.PanicError)
			require.Equal(t, map[bool]string{true: "ingest/x", false: "ingest"}[name == "GoNamed"], p.Task, name)
		}
	})

	t.Run("a panic that Get raises, or returns, has the path", func(t *testing.T) {
		for _, policy := range []core.PanicPolicy{core.Propagate, core.Capture} {
			g, _ := errgroup.New(t.Context(), errgroup.Options{Name: "ingest", Panics: policy})
			f := errgroup.Fork(g, func() (int, error) { panic(errBoom) })
			var err error
			got := caught(func() { _, err = f.Get() })
			if policy == core.Capture {
				got = err
			}
			require.Equal(t, "ingest", got.(*core.PanicError).Task)
			caught(func() { _ = g.Wait() })
		}
	})
}

func TestMisuse(t *testing.T) {
	var g errgroup.Group
	var nilCtx context.Context
	task := func(context.Context) (int, error) { return 0, nil }
	body := func(context.Context, *errgroup.Group) error { return nil }
	for want, f := range map[string]func(){
		"errgroup: nil func in Go":             func() { g.Go(nil) },
		"errgroup: nil func in TryGo":          func() { g.TryGo(nil) },
		"errgroup: nil func in GoNamed":        func() { g.GoNamed("x", nil) },
		"errgroup: nil func in GoContext":      func() { _ = g.GoContext(t.Context(), nil) },
		"errgroup: nil func in Fork":           func() { errgroup.Fork[int](&g, nil) },
		"errgroup: nil func in Run":            func() { _ = errgroup.Run(t.Context(), nil) },
		"errgroup: nil func in Gather":         func() { _, _ = errgroup.Gather(t.Context(), task, nil) },
		"errgroup: nil func in All2":           func() { _, _, _ = errgroup.All2[int, int](t.Context(), task, nil) },
		"errgroup: nil func in All3":           func() { _, _, _, _ = errgroup.All3[int, int, int](t.Context(), task, task, nil) },
		"errgroup: nil func in Race":           func() { _, _ = errgroup.Race(t.Context(), errgroup.RaceOptions[int]{}, task, nil) },
		"errgroup: nil func in Quorum":         func() { _, _ = errgroup.Quorum(t.Context(), 1, errgroup.RaceOptions[int]{}, task, nil) },
		"errgroup: nil func in Settle":         func() { errgroup.Settle(t.Context(), task, nil) },
		"errgroup: nil context in GoContext":   func() { _ = g.GoContext(nilCtx, func(context.Context) error { return nil }) },
		"errgroup: nil context in WaitContext": func() { _ = g.WaitContext(nilCtx) },
		"errgroup: nil context in WithContext": func() { errgroup.WithContext(nilCtx) },
		"errgroup: nil context in Run":         func() { _ = errgroup.Run(nilCtx, body) },
		"errgroup: nil context in Gather":      func() { _, _ = errgroup.Gather(nilCtx, task) },
		"errgroup: nil context in Quorum":      func() { _, _ = errgroup.Quorum(nilCtx, 1, errgroup.RaceOptions[int]{}, task) },
		"errgroup: nil context in Race":        func() { _, _ = errgroup.Race(nilCtx, errgroup.RaceOptions[int]{}, task) },
		"errgroup: nil context in Settle":      func() { errgroup.Settle(nilCtx, task) },
		"errgroup: negative quorum, got -1":    func() { _, _ = errgroup.Quorum(t.Context(), -1, errgroup.RaceOptions[int]{}, task) },
		"errgroup: negative stagger, got -1s":  func() { _, _ = errgroup.Race(t.Context(), errgroup.RaceOptions[int]{Stagger: -time.Second}, task) },
		"errgroup: negative stagger, got -1s in a quorum": func() {
			_, _ = errgroup.Quorum(t.Context(), 0, errgroup.RaceOptions[int]{Stagger: -time.Second}, task)
		},
		"errgroup: negative limit, got -1":     func() { errgroup.New(t.Context(), errgroup.Options{Limit: -1}) },
		"errgroup: negative MaxErrors, got -1": func() { errgroup.New(t.Context(), errgroup.Options{MaxErrors: -1}) },
		"errgroup: MaxErrors without Collect, got 2": func() {
			_ = errgroup.RunWith(t.Context(), errgroup.Options{MaxErrors: 2}, body)
		},
		"errgroup: unknown panic policy, got 3": func() { errgroup.New(t.Context(), errgroup.Options{Panics: 3}) },
	} {
		text, _, _ := strings.Cut(want, " in ")
		require.Equal(t, text, caught(f), want)
	}
	require.NoError(t, g.Wait())
}

func TestWithContextAllocates(t *testing.T) {
	if race.Hidden {
		t.Skip("the bookkeeping differs")
	}
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		g, _ := errgroup.WithContext(context.Background())
		g.Go(nothing)
		_ = g.Wait()
	}), 4.0)
}
