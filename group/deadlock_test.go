package group_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

func TestDeadlock(t *testing.T) {
	bubble := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}

	for _, limit := range []int{1, 2, 16} {
		for _, opts := range []group.Options{{Name: "crawl"}, {}, {Name: "crawl", Isolate: true}} {
			bubble(fmt.Sprintf("all %d tasks of %+v that wait for room in it are told", limit, opts), func(t *testing.T) {
				begin := time.Now()
				opts.Limit = limit
				g := group.New(opts)
				owner := `"crawl"`
				if opts.Name == "" {
					owner = "a group"
				}
				var started atomic.Int64
				var ran atomic.Int64
				for i := range limit {
					g.Go(func() {
						for started.Add(1); started.Load() < int64(limit); {
							time.Sleep(time.Millisecond)
						}
						time.Sleep(time.Duration(i) * time.Second)
						g.Go(func() { ran.Add(1) })
					})
				}
				p := caught(g.Wait).(*core.PanicError)
				require.Equal(t, fmt.Sprintf("group: deadlock: all %d tasks of %s wait for room in it; start them with GoContext and the task's context", limit, owner), p.Value)
				require.Empty(t, p.Others, "the others go on")
				require.EqualValues(t, limit-1, ran.Load())
				require.Equal(t, time.Duration(limit)*time.Second, time.Since(begin).Truncate(time.Second))
			})
		}
	}

	bubble("so are tasks that hold more permits than a lowered limit of the semaphore, until one can go on", func(t *testing.T) {
		begin := time.Now()
		sem := core.NewSemaphore(3)
		g := group.New(group.Options{Name: "crawl", Semaphore: sem})
		ran := 0
		for range 3 {
			g.Go(func() {
				time.Sleep(time.Second)
				sem.SetLimit(2)
				g.Go(func() { ran++ }) //coterie:selfwait a deadlock is the point
			})
		}
		p := caught(g.Wait).(*core.PanicError)
		require.Contains(t, p.Value, `deadlock: all 3 tasks of "crawl"`)
		require.Len(t, p.Others, 1)
		require.Contains(t, p.Others[0].Value, `deadlock: all 2 tasks of "crawl"`)
		require.Equal(t, 1, ran)
		require.Zero(t, sem.InUse())
		require.LessOrEqual(t, time.Since(begin), 6*time.Second)
	})

	for _, limit := range []int{1, 2, 16} {
		for _, alsoLimit := range []bool{false, true} {
			bubble(fmt.Sprintf("so are %d tasks that hold all permits of its semaphore, with a limit too: %t", limit, alsoLimit), func(t *testing.T) {
				begin := time.Now()
				sem := core.NewSemaphore(int64(limit))
				opts := group.Options{Name: "crawl", Semaphore: sem}
				if alsoLimit {
					opts.Limit = limit + 1 // all but one task wait for room, which a reserved place takes
				}
				g := group.New(opts)
				var started, ran atomic.Int64
				for range limit {
					g.Go(func() {
						for started.Add(1); started.Load() < int64(limit); {
							time.Sleep(time.Millisecond)
						}
						g.Go(func() { ran.Add(1) })
					})
				}
				p := caught(g.Wait).(*core.PanicError)
				require.Equal(t, fmt.Sprintf(`group: deadlock: all %d tasks of "crawl" wait for room in it; start them with GoContext and the task's context`, limit), p.Value)
				require.Empty(t, p.Others, "the others go on")
				require.EqualValues(t, limit-1, ran.Load())
				require.Equal(t, time.Second, time.Since(begin).Truncate(time.Second))
				require.Zero(t, sem.InUse())
				require.Zero(t, g.Running())
				sem.SetLimit(int64(limit + 1))
				for range limit + 1 {
					require.True(t, g.TryGo(func() { time.Sleep(time.Second) }), "there is room")
				}
				g.Wait()
			})
		}
	}

	for name, c := range map[string]struct{ hold, release func(sem *core.Semaphore) }{
		"that others hold": {
			func(sem *core.Semaphore) { sem.TryAcquire(1) },
			func(sem *core.Semaphore) { sem.Release(1) },
		},
		"of a semaphore that is paused": {
			func(sem *core.Semaphore) { sem.SetLimit(0) },
			func(sem *core.Semaphore) { sem.SetLimit(4) },
		},
	} {
		bubble("a wait for permits "+name+" is none", func(t *testing.T) {
			sem := core.NewSemaphore(3)
			g := group.New(group.Options{Semaphore: sem})
			for range 2 {
				g.Go(func() {
					time.Sleep(time.Second)
					g.Go(func() {}) //coterie:selfwait a deadlock, or none, is the point
				})
			}
			c.hold(sem)
			time.Sleep(time.Minute)
			require.Equal(t, 2, sem.Waiting())
			c.release(sem)
			g.Wait()
		})
	}

	bubble("nor is one of a goroutine that is no task", func(t *testing.T) {
		sem := core.NewSemaphore(1)
		g := group.New(group.Options{Semaphore: sem})
		g.Go(func() { time.Sleep(time.Minute) })
		g.Go(func() {})
		g.Wait()
	})

	bubble("nor is one while a task of the group runs", func(t *testing.T) {
		sem := core.NewSemaphore(2)
		g := group.New(group.Options{Semaphore: sem})
		g.Go(func() { time.Sleep(time.Minute) })
		g.Go(func() { g.Go(func() {}) }) //coterie:selfwait a deadlock, or none, is the point
		g.Wait()
	})

	for _, limit := range []int{1, 2} {
		bubble(fmt.Sprintf("so are those for which there is no room because the limit has become %d", limit), func(t *testing.T) {
			begin := time.Now()
			g := group.New(group.Options{Limit: 3})
			for range 2 {
				g.Go(func() {
					time.Sleep(time.Second)
					g.Go(func() {}) //coterie:selfwait that it waits for itself is the point
				})
			}
			g.Go(func() { time.Sleep(time.Minute) })
			g.SetLimit(limit)
			p := caught(g.Wait).(*core.PanicError)
			require.ErrorContains(t, p, "group: deadlock: all 2 tasks of a group wait for room in it")
			// Then there is room for the other, unless the limit is 1.
			require.Len(t, p.Others, 2-limit)
			require.Equal(t, time.Minute+time.Duration(3-limit)*time.Second, time.Since(begin))
		})
	}

	bubble("it is the oldest that panics", func(t *testing.T) {
		g := group.New(group.Options{Limit: 2})
		for i := range 2 {
			g.Go(func() {
				time.Sleep(time.Duration(2-i) * time.Second)
				defer func() {
					if v := recover(); v != nil {
						panic(i)
					}
				}()
				g.Go(func() {}) //coterie:selfwait that it waits for itself is the point
			})
		}
		require.Equal(t, 1, caught(g.Wait).(*core.PanicError).Value)
	})

	bubble("a task that recovers and does it again is told again", func(t *testing.T) {
		g := group.New(group.Options{Limit: 1})
		begin := time.Now()
		g.Go(func() {
			for range 3 {
				require.NotNil(t, caught(func() { g.Go(func() {}) }))
			}
		})
		g.Wait()
		require.Equal(t, 3*time.Second, time.Since(begin))
	})

	bubble("those that wait outside are no part of it, and get the room", func(t *testing.T) {
		g := group.New(group.Options{Limit: 1})
		ran := false
		g.Go(func() {
			time.Sleep(time.Second)
			g.Go(func() {}) //coterie:selfwait that it waits for itself is the point
		})
		g.Go(func() { ran = true })
		require.ErrorContains(t, caught(g.Wait).(*core.PanicError), "deadlock")
		require.True(t, ran)
	})

	t.Run("these are none:", func(t *testing.T) {
		bubble("a producer that waits for long", func(t *testing.T) {
			g := group.New(group.Options{Limit: 2})
			for range 10 {
				g.Go(func() { time.Sleep(time.Minute) })
			}
			g.Wait()
		})

		bubble("tasks that wait while another runs", func(t *testing.T) {
			begin := time.Now()
			g := group.New(group.Options{Limit: 3})
			g.Go(func() { time.Sleep(time.Minute) })
			for range 2 {
				g.Go(func() { g.Go(func() {}) }) //coterie:selfwait that it waits for itself is the point
			}
			g.Wait()
			require.Equal(t, time.Minute, time.Since(begin))
		})

		bubble("a producer beside a task that waits for something else", func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			other := make(chan int)
			g.Go(func() { <-other })
			time.AfterFunc(time.Minute, func() { close(other) })
			g.Go(func() {})
			g.Wait()
		})

		bubble("a group that is paused", func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			g.Go(func() {
				g.SetLimit(0)
				time.AfterFunc(time.Minute, func() { g.SetLimit(2) })
				g.Go(func() {}) //coterie:selfwait that it waits for itself is the point
			})
			g.Wait()
		})

		bubble("a group that waits for a semaphore which others hold", func(t *testing.T) {
			sem := core.NewSemaphore(2)
			g := group.New(group.Options{Limit: 2, Semaphore: sem})
			require.NoError(t, sem.Acquire(t.Context(), 1))
			time.AfterFunc(time.Minute, func() { sem.Release(1) })
			g.Go(func() { g.Go(func() {}) }) //coterie:selfwait that it waits for itself is the point
			g.Wait()
		})

		bubble("tasks that can give up", func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			g.Go(func() { require.ErrorIs(t, g.GoContext(ctx, func(context.Context) {}), context.DeadlineExceeded) }) //coterie:selfwait that it waits for itself is the point
			g.Wait()
		})

		bubble("a background task that starts others", func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			g.Background(t.Context(), func(context.Context) {
				for range 3 {
					g.Go(func() { time.Sleep(time.Minute) }) //coterie:selfwait that it waits for itself is the point
				}
			})
			g.Wait()
		})

		bubble("tasks of another group", func(t *testing.T) {
			g, other := group.New(group.Options{Limit: 1}), group.New(group.Options{Limit: 1})
			g.Go(func() { time.Sleep(time.Minute) })
			other.Go(func() { g.Go(func() {}) })
			g.Wait()
			other.Wait()
		})

		bubble("recursion with the task's context", func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			var visit func(ctx context.Context, depth int)
			visit = func(ctx context.Context, depth int) {
				time.Sleep(time.Minute)
				if depth > 0 {
					require.NoError(t, g.GoContext(ctx, func(ctx context.Context) { visit(ctx, depth-1) }))
				}
			}
			require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) { visit(ctx, 5) }))
			g.Go(func() {})
			g.Wait()
		})
	})

	t.Run("a group that is used in a bubble and outside is not disturbed", func(t *testing.T) {
		g := group.New(group.Options{Limit: 1})
		use := func() {
			for range 10 {
				g.Go(func() {})
			}
		}
		synctest.Test(t, func(*testing.T) { use(); synctest.Wait() })
		use()
		g.Wait()
		for range 10_000 { // a worker from outside must not take a task that a bubble waits for
			runtime.Gosched()
		}
		synctest.Test(t, func(*testing.T) { use(); g.Wait() })
	})
}

func TestATaskThatWaitsForItsOwnGroup(t *testing.T) {
	const text = `group: Wait on group "x" within one of its own tasks`
	for name, opts := range map[string]group.Options{"": {Name: "x"}, ", isolated": {Name: "x", Isolate: true}} {
		for first, d := range map[string]time.Duration{"first": time.Second, "last": -time.Second} {
			t.Run("is told, if it waits "+first+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					g := group.New(opts)
					g.Go(func() { time.Sleep(max(0, -d)); g.Wait() }) //coterie:selfwait that it waits for itself is the point
					time.Sleep(max(0, d))
					require.Equal(t, text, caught(g.Wait).(*core.PanicError).Value)
					require.Equal(t, time.Second, time.Since(begin))
				})
			})
		}

		t.Run("is told, if several do, in WaitContext and at the end of a scope"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := caught(func() {
					group.RunWith(opts, func(g *group.Group) {
						for range 3 {
							g.Go(func() { _ = g.WaitContext(context.Background()) }) //coterie:selfwait that it waits for itself is the point
						}
						g.Background(t.Context(), func(context.Context) { g.Wait() }) //coterie:selfwait that it waits for itself is the point
						g.Go(func() { time.Sleep(time.Minute) })
					})
				}).(*core.PanicError)
				require.Equal(t, text, p.Value)
				require.Len(t, p.Others, 3)
			})
		})
	}

	t.Run("others may wait, as many as there are", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			g, other := group.New(group.Options{}), group.New(group.Options{})
			g.Go(func() { time.Sleep(time.Minute) })
			for range 10 {
				other.Go(g.Wait)
				other.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					require.ErrorAs(t, g.WaitContext(ctx), new(*core.StuckError))
				})
			}
			other.Wait()
			require.Equal(t, time.Minute, time.Since(begin))
		})
	})
}

// It is found, too, if the limit was lowered meanwhile.
func TestDeadlockUnderALowerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := group.New(group.Options{Limit: 2})
		var raised any
		g.Go(func() { time.Sleep(time.Minute) }) // first, so that both places are taken
		g.Go(func() { raised = caught(func() { g.Go(func() {}) }) })
		synctest.Wait()
		g.SetLimit(1)
		g.Wait()
		require.Equal(t, "group: deadlock: all 1 tasks of a group wait for room in it; start them with GoContext and the task's context", raised)
	})
}
