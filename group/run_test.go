package group_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

func TestRun(t *testing.T) {
	// Each body starts a task that takes an hour.
	ends := []struct {
		how  string
		body func(g *group.Group)
		want func(t *testing.T, run func())
	}{
		{"returns", func(*group.Group) {}, func(t *testing.T, run func()) { run() }},
		{"panics", func(*group.Group) { panic("body") }, func(t *testing.T, run func()) {
			require.Equal(t, "body", caught(run))
		}},
		{"calls goexit", func(*group.Group) { runtime.Goexit() }, func(t *testing.T, run func()) {
			require.True(t, exited(run))
		}},
		{"is outlived by a task that calls go", func(g *group.Group) {
			g.Go(func() {
				time.Sleep(30 * time.Minute)
				g.Go(func() { time.Sleep(30 * time.Minute) })
			})
		}, func(t *testing.T, run func()) { run() }},
	}
	for _, end := range ends {
		t.Run("it returns when the tasks have ended if body "+end.how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var leaked *group.Group
				end.want(t, func() {
					group.Run(func(g *group.Group) {
						leaked = g //coterie:escapes what comes after the end is the point
						g.Go(func() { time.Sleep(time.Hour) })
						end.body(g)
					})
				})
				require.Equal(t, time.Hour, time.Since(start))
				require.Zero(t, leaked.Running())
			})
		})
	}

	t.Run("go on an ended scope panics with its name", func(t *testing.T) {
		var g, unnamed *group.Group
		group.RunWith(group.Options{Name: "load", Limit: 1}, func(scope *group.Group) { g = scope }) //coterie:escapes that Go panics is the point
		group.Run(func(scope *group.Group) { unnamed = scope })                                      //coterie:escapes that Go panics is the point
		const text = `group: Go on group "load", which has ended`
		for range 3 {
			require.Equal(t, text, caught(func() { g.Go(func() {}) }))
			require.Equal(t, text, caught(func() { g.TryGo(func() {}) }))
			require.Equal(t, text, caught(func() { g.GoNamed("late", func() {}) }))
			require.Equal(t, text, caught(func() { _ = g.GoContext(t.Context(), func(context.Context) {}) }))
			require.Equal(t, text, caught(func() { group.Fork(g, func() (int, error) { return 0, nil }) }))
			require.Equal(t, "group: Go on a group, which has ended", caught(func() { unnamed.Go(func() {}) }))
		}
		require.Zero(t, g.Running())
		g.Wait()
	})

	t.Run("a go that races the end of the scope runs its task or panics", func(t *testing.T) {
		for range 200 {
			shared := core.NewSemaphore(3)
			var accepted, refused, ran atomic.Int32
			var callers sync.WaitGroup
			group.RunWith(group.Options{Limit: 2, Semaphore: shared}, func(g *group.Group) {
				for range 3 {
					callers.Go(func() {
						for range 5 {
							if caught(func() { g.Go(func() { ran.Add(1) }) }) == nil {
								accepted.Add(1)
							} else {
								refused.Add(1)
							}
						}
					})
				}
			})
			before := ran.Load()
			callers.Wait()
			require.Equal(t, before, ran.Load(), "a task ran after the scope")
			require.Equal(t, accepted.Load(), ran.Load())
			require.EqualValues(t, 15, accepted.Load()+refused.Load())
			require.Zero(t, shared.InUse())
		}
	})

	t.Run("a go that waits for a permit when the scope ends gives it back and panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			shared := core.NewSemaphore(1)
			require.NoError(t, shared.Acquire(t.Context(), 1))
			var raised atomic.Value
			group.RunWith(group.Options{Semaphore: shared}, func(g *group.Group) {
				go func() { raised.Store(caught(func() { g.Go(func() {}) })) }()
				synctest.Wait()
			})
			shared.Release(1)
			synctest.Wait()
			require.Equal(t, "group: Go on a group, which has ended", raised.Load())
			require.Zero(t, shared.InUse())
		})
	})

	t.Run("a try go after the scope panics, also without a free permit", func(t *testing.T) {
		shared := core.NewSemaphore(1)
		var ended *group.Group
		group.RunWith(group.Options{Semaphore: shared}, func(g *group.Group) {
			ended = g //coterie:escapes that TryGo panics is the point
		})
		require.True(t, shared.TryAcquire(1))
		require.Equal(t, "group: Go on a group, which has ended", caught(func() { ended.TryGo(func() {}) }))
	})

	t.Run("every go that waits for the group's own limit when the scope ends panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			raised := make(chan any, 3)
			group.RunWith(group.Options{Limit: 1}, func(g *group.Group) {
				g.SetLimit(0)
				for range cap(raised) {
					go func() { raised <- caught(func() { g.Go(func() {}) }) }()
				}
				synctest.Wait()
			})
			synctest.Wait()
			require.Len(t, raised, cap(raised))
			for range cap(raised) {
				require.Equal(t, "group: Go on a group, which has ended", <-raised)
			}
		})
	})

	t.Run("panics of the tasks are raised, or added to that of body", func(t *testing.T) {
		body := func(g *group.Group) {
			g.Go(func() { raiseHere("task") })
			for g.Running() > 0 {
				runtime.Gosched()
			}
		}
		p := caught(func() { group.Run(body) }).(*core.PanicError)
		require.Equal(t, "task", p.Value)
		p = caught(func() { group.Run(func(g *group.Group) { body(g); panic("body") }) }).(*core.PanicError)
		require.Equal(t, "body", p.Value)
		require.Len(t, p.Others, 1)
		require.Equal(t, "task", p.Others[0].Value)
	})

	t.Run("a panic of nil in body is not lost where recover does not tell of it", func(t *testing.T) {
		t.Setenv("GODEBUG", "panicnil=1")
		ended := false
		raised := caught(func() {
			group.Run(func(g *group.Group) {
				g.Go(func() { ended = true })
				panic(nil)
			})
		})
		require.IsType(t, new(runtime.PanicNilError), raised)
		require.True(t, ended)
	})

	t.Run("a goexit of a task ends the goroutine that called run", func(t *testing.T) {
		require.True(t, exited(func() { group.Run(func(g *group.Group) { g.Go(runtime.Goexit) }) }))
		require.Equal(t, "body", caught(func() {
			group.Run(func(g *group.Group) { g.Go(runtime.Goexit); panic("body") })
		}))
	})

	t.Run("what body has waited for and got is not raised again", func(t *testing.T) {
		group.Run(func(g *group.Group) {
			g.Go(func() { panic("handled") })
			require.NotNil(t, caught(g.Wait))
		})
		p := caught(func() {
			group.Run(func(g *group.Group) {
				g.Go(func() { panic("raised by wait") })
				g.Wait()
			})
		}).(*core.PanicError)
		require.Equal(t, "raised by wait", p.Value)
		require.Empty(t, p.Others)
	})
}
