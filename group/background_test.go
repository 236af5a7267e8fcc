package group_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/group"
)

// server returns a background task that ends so long after its context is done, and says when
// that was done, and why.
func server(last time.Duration, done *time.Duration, why *error) func(ctx context.Context) {
	begin := time.Now()
	return func(ctx context.Context) {
		<-ctx.Done()
		*done, *why = time.Since(begin), context.Cause(ctx)
		time.Sleep(last)
	}
}

type big [1 << 10]byte

func TestBackground(t *testing.T) {
	bubble := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}

	// finish ends a group that has a task of two seconds and another for each given.
	type wait = func(g *group.Group)
	for name, finish := range map[string]wait{
		"Wait":        func(g *group.Group) { g.Wait() },
		"WaitContext": func(g *group.Group) { require.NoError(t, g.WaitContext(context.Background())) },
	} {
		bubble("is cancelled when every other task has ended, and waited for, by "+name, func(t *testing.T) {
			var g group.Group
			var done time.Duration
			var why error
			begin := time.Now()
			g.Background(t.Context(), server(time.Second, &done, &why))
			g.Go(func() {
				time.Sleep(time.Second)
				g.Go(func() { time.Sleep(2 * time.Second) })
			})
			finish(&g)
			require.Equal(t, core.ErrDone, why)
			require.Equal(t, 3*time.Second, done)
			require.Equal(t, 4*time.Second, time.Since(begin))
		})

		bubble("is cancelled at once if there is no other task, by "+name, func(t *testing.T) {
			var g group.Group
			var done time.Duration
			var why error
			g.Background(t.Context(), server(0, &done, &why))
			time.Sleep(time.Minute)
			require.NoError(t, why, "nobody waits")
			finish(&g)
			require.Equal(t, core.ErrDone, why)
			require.Equal(t, time.Minute, done)
		})

		bubble("serves each round anew, by "+name, func(t *testing.T) {
			var g group.Group
			for range 3 {
				var done time.Duration
				var why error
				g.Background(t.Context(), server(0, &done, &why))
				g.Go(func() { time.Sleep(time.Second) })
				finish(&g)
				require.Equal(t, core.ErrDone, why)
				require.Equal(t, time.Second, done)
			}
		})
	}

	bubble("is cancelled when the body of a scope has ended", func(t *testing.T) {
		var done time.Duration
		var why error
		begin := time.Now()
		group.Run(func(g *group.Group) {
			g.Background(t.Context(), server(time.Second, &done, &why))
			g.Go(func() { time.Sleep(time.Second) })
			time.Sleep(5 * time.Second)
			require.NoError(t, why, "the body has not ended")
		})
		require.Equal(t, core.ErrDone, why)
		require.Equal(t, 5*time.Second, done)
		require.Equal(t, 6*time.Second, time.Since(begin))
	})

	bubble("is waited for also if the body of a scope panics or calls Goexit", func(t *testing.T) {
		var done time.Duration
		var why error
		begin := time.Now()
		require.Equal(t, "body", caught(func() {
			group.Run(func(g *group.Group) {
				g.Background(t.Context(), server(time.Second, &done, &why))
				panic("body")
			})
		}))
		require.Equal(t, core.ErrDone, why)
		require.True(t, exited(func() {
			group.Run(func(g *group.Group) {
				g.Background(t.Context(), server(time.Second, &done, &why))
				runtime.Goexit()
			})
		}))
		require.Equal(t, 2*time.Second, time.Since(begin))
	})

	bubble("may end by itself", func(t *testing.T) {
		var g group.Group
		begin := time.Now()
		g.Background(t.Context(), func(context.Context) { time.Sleep(time.Second) })
		g.Go(func() { time.Sleep(3 * time.Second) })
		g.Wait()
		require.Equal(t, 3*time.Second, time.Since(begin))
		g.Background(t.Context(), func(context.Context) { time.Sleep(time.Second) })
		g.Wait()
		require.Equal(t, 4*time.Second, time.Since(begin))
	})

	bubble("is cancelled with its context", func(t *testing.T) {
		var g group.Group
		ctx, cancel := context.WithCancelCause(t.Context())
		var done time.Duration
		var why error
		g.Background(ctx, server(0, &done, &why))
		cancel(context.DeadlineExceeded)
		synctest.Wait()
		require.Equal(t, context.DeadlineExceeded, why)
		g.Background(ctx, server(0, &done, &why)) // it starts also with a context that is done
		g.Wait()
	})

	bubble("holds no place and no permit", func(t *testing.T) {
		sem := core.NewSemaphore(1)
		g := group.New(group.Options{Limit: 1, Semaphore: sem})
		var running atomic.Int64
		for range 3 {
			g.Background(t.Context(), func(ctx context.Context) {
				running.Add(1)
				<-ctx.Done()
			})
		}
		synctest.Wait()
		require.EqualValues(t, 3, running.Load())
		require.True(t, g.TryGo(func() { time.Sleep(time.Second) }))
		require.False(t, g.TryGo(func() {}))
		g.Background(t.Context(), func(ctx context.Context) { running.Add(1); <-ctx.Done() })
		synctest.Wait()
		require.EqualValues(t, 4, running.Load(), "the group is full")
		require.Equal(t, 1, g.Running())
		g.Wait()
		g.SetLimit(0)
		g.Background(t.Context(), func(context.Context) { running.Add(1) })
		synctest.Wait()
		require.EqualValues(t, 5, running.Load(), "the group is paused")
		g.Wait()
	})

	bubble("lends no place", func(t *testing.T) {
		sem := core.NewSemaphore(1)
		for _, opts := range []group.Options{{Limit: 1}, {Semaphore: sem}} {
			g := group.New(opts)
			begin := time.Now()
			g.Go(func() { time.Sleep(2 * time.Second) })
			g.Background(t.Context(), func(ctx context.Context) {
				ctx = context.WithoutCancel(ctx) // which is done as the task ends
				require.NoError(t, g.GoContext(ctx, func(context.Context) { require.Equal(t, 2*time.Second, time.Since(begin)) }))
			})
			g.Wait()
			require.Equal(t, 2*time.Second, time.Since(begin))

			begin = time.Now()
			require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
				g.Background(ctx, func(ctx context.Context) {
					ctx = context.WithoutCancel(ctx)
					require.NoError(t, g.GoContext(ctx, func(context.Context) { require.Equal(t, 2*time.Second, time.Since(begin)) }))
				})
				time.Sleep(2 * time.Second)
			}))
			g.Wait()
		}
	})

	bubble("may be started by tasks, and by each other", func(t *testing.T) {
		var g group.Group
		var dones [3]time.Duration
		var whys [3]error
		g.Go(func() {
			time.Sleep(time.Second)
			g.Background(t.Context(), func(ctx context.Context) {
				g.Background(ctx, server(0, &dones[0], &whys[0]))
				g.Background(context.WithoutCancel(ctx), server(0, &dones[1], &whys[1]))
				server(0, &dones[2], &whys[2])(ctx)
			})
			time.Sleep(time.Second)
		})
		g.Wait()
		require.Equal(t, [3]error{core.ErrDone, core.ErrDone, core.ErrDone}, whys)
		require.Equal(t, [3]time.Duration{time.Second, time.Second, time.Second}, dones)
	})

	bubble("may start tasks and others at its end", func(t *testing.T) {
		var g group.Group
		begin := time.Now()
		ended, again := false, false
		g.Background(t.Context(), func(ctx context.Context) {
			<-ctx.Done()
			g.Go(func() {
				time.Sleep(time.Second)
				g.Background(context.WithoutCancel(ctx), func(ctx context.Context) {
					<-ctx.Done()
					require.Equal(t, 2*time.Second, time.Since(begin))
					again = true
				})
				time.Sleep(time.Second)
				ended = true
			})
		})
		g.Wait()
		require.True(t, ended)
		require.True(t, again)
		require.Equal(t, 2*time.Second, time.Since(begin))
	})

	bubble("one that starts while somebody waits for others is cancelled at once", func(t *testing.T) {
		var g group.Group
		begin := time.Now()
		g.Background(t.Context(), func(ctx context.Context) { time.Sleep(2 * time.Second) })
		time.AfterFunc(time.Second, func() {
			g.Background(context.Background(), func(ctx context.Context) {
				<-ctx.Done()
				require.Equal(t, time.Second, time.Since(begin))
			})
		})
		g.Wait()
		require.Equal(t, 2*time.Second, time.Since(begin))
	})

	bubble("goes on if the wait is given up before the others have ended", func(t *testing.T) {
		g := group.New(group.Options{Name: "crawl"})
		var done time.Duration
		var why error
		g.Background(t.Context(), server(0, &done, &why))
		g.Go(func() { time.Sleep(2 * time.Second) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var stuck *core.StuckError
		require.ErrorAs(t, g.WaitContext(ctx), &stuck)
		require.Equal(t, 2, stuck.Running)
		require.Len(t, stuck.Tasks, 2)
		time.Sleep(time.Minute)
		require.NoError(t, why)
		g.Wait()
		require.Equal(t, core.ErrDone, why)
	})

	bubble("that does not end is in the StuckError", func(t *testing.T) {
		g := group.New(group.Options{Name: "crawl"})
		g.Background(t.Context(), func(ctx context.Context) {
			require.NotPanics(t, func() { _ = context.Cause(ctx) })
			time.Sleep(2 * time.Second)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := g.WaitContext(ctx)
		require.ErrorContains(t, err, `group "crawl": 1 running: context deadline exceeded`)
		require.ErrorContains(t, err, "\n\ncrawl, for 1s\n")
		g.Wait()
	})

	bubble("its panic and its Goexit are those of a task", func(t *testing.T) {
		var g group.Group
		g.Background(t.Context(), func(ctx context.Context) {
			<-ctx.Done()
			raiseHere("boom")
		})
		g.Go(func() { time.Sleep(time.Second); panic("first") })
		p := caught(g.Wait).(*core.PanicError)
		require.Equal(t, "first", p.Value)
		require.Len(t, p.Others, 1)
		require.Equal(t, "boom", p.Others[0].Value)
		require.Contains(t, string(p.Others[0].Stack), "raiseHere")
		g.Background(t.Context(), func(context.Context) { runtime.Goexit() })
		require.True(t, exited(g.Wait))
		g.Wait()

		var got *core.PanicError
		captures := group.New(group.Options{Panics: core.Capture, OnPanic: func(p *core.PanicError) { got = p }})
		captures.Background(t.Context(), func(context.Context) { panic("boom") })
		captures.Wait()
		require.Equal(t, "boom", got.Value)
		require.Equal(t, "boom", caught(func() {
			group.Run(func(g *group.Group) { g.Background(t.Context(), func(context.Context) { panic("boom") }) })
		}).(*core.PanicError).Value)
	})

	bubble("must not wait for its own group", func(t *testing.T) {
		g := group.New(group.Options{Name: "x"})
		g.Background(t.Context(), func(ctx context.Context) { _ = g.WaitContext(ctx) }) //coterie:selfwait that it waits for itself is the point
		require.Equal(t, `group: WaitContext on group "x" within one of its own tasks`, caught(g.Wait).(*core.PanicError).Value)
	})

	bubble("names nest in it", func(t *testing.T) {
		g, inner := group.New(group.Options{Name: "crawl"}), group.New(group.Options{Name: "fetch"})
		g.Background(t.Context(), func(ctx context.Context) {
			ctx = context.WithoutCancel(ctx)
			require.NoError(t, inner.GoContext(ctx, func(ctx context.Context) {
				err := inner.GoContext(ctx, func(context.Context) { time.Sleep(time.Second) })
				require.NoError(t, err)
			}))
			gone, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			require.ErrorContains(t, inner.WaitContext(gone), "crawl/fetch, for")
			inner.Wait()
		})
		g.Wait()
	})

	t.Run("misuse panics", func(t *testing.T) {
		var g group.Group
		var nilCtx context.Context
		require.Equal(t, "group: nil func", caught(func() { g.Background(t.Context(), nil) }))
		require.Equal(t, "group: nil context", caught(func() { g.Background(nilCtx, func(context.Context) {}) }))
		var ended *group.Group
		group.RunWith(group.Options{Name: "x"}, func(g *group.Group) { ended = g }) //coterie:escapes that the scope has ended is the point
		require.Equal(t, `group: Background on group "x", which has ended`, caught(func() {
			ended.Background(t.Context(), func(context.Context) {})
		}))
	})

	t.Run("what the others wrote is seen when it is cancelled, and what it wrote is seen after Wait", func(t *testing.T) {
		for range 100 {
			var g group.Group
			a, b := 0, 0
			g.Background(t.Context(), func(ctx context.Context) {
				<-ctx.Done()
				b = a + 1
			})
			g.Go(func() { a = 1 })
			g.Wait()
			require.Equal(t, 2, b)
		}
	})

	t.Run("one that has ended is not kept", func(t *testing.T) {
		var g group.Group
		var collected atomic.Int64
		release := make(chan struct{})
		g.Go(func() { <-release })
		for range 100 {
			kept := new(big)
			runtime.AddCleanup(kept, func(int) { collected.Add(1) }, 0)
			g.Background(t.Context(), func(context.Context) { kept[0]++ })
		}
		child.Collect(func() bool { return collected.Load() > 90 })
		close(release)
		g.Wait()
	})

	t.Run("many come and go", func(t *testing.T) {
		var g group.Group
		for range 200 {
			for range 20 {
				g.Background(t.Context(), func(ctx context.Context) { <-ctx.Done() })
				g.Go(func() { g.Background(t.Context(), func(context.Context) { runtime.Gosched() }) })
			}
			g.Wait()
			require.Zero(t, g.Running())
		}
	})
}
