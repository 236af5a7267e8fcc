package group_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A crawler starts three tasks in each task, down to a depth, with the context of the task.
type crawler struct {
	gauge
	g     *group.Group
	pages atomic.Int64
}

func (c *crawler) visit(ctx context.Context, depth int) error {
	return c.g.GoContext(ctx, func(ctx context.Context) {
		c.enter()
		defer c.leave()
		c.pages.Add(1)
		time.Sleep(time.Millisecond)
		for range 3 {
			if depth > 0 {
				c.leave() // while it waits for room, it lends its place
				if err := c.visit(ctx, depth-1); err != nil {
					panic(err)
				}
				c.enter()
			}
		}
	})
}

func TestRecursionUnderALimit(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 17} {
		for name, opts := range map[string]group.Options{
			"a limit":                        {Limit: limit},
			"a limit and a name":             {Limit: limit, Name: "crawl"},
			"a semaphore":                    {Semaphore: core.NewSemaphore(int64(limit))},
			"a limit and a semaphore":        {Limit: limit, Semaphore: core.NewSemaphore(int64(limit) + 1)},
			"a wide limit and a semaphore":   {Limit: 100, Semaphore: core.NewSemaphore(int64(limit))},
			"a limit of isolated tasks":      {Limit: limit, Isolate: true},
			"a limit that is set afterwards": {},
		} {
			t.Run(fmt.Sprintf("%s of %d", name, limit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := &crawler{g: group.New(opts)}
					if opts.Limit == 0 && opts.Semaphore == nil {
						c.g.SetLimit(limit)
					}
					require.NoError(t, c.visit(t.Context(), 3))
					c.g.Wait()
					require.EqualValues(t, 1+3+9+27, c.pages.Load())
					require.LessOrEqual(t, int(c.most.Load()), limit)
					if opts.Semaphore != nil {
						require.Zero(t, opts.Semaphore.InUse())
					}
				})
			})
		}
	}

	t.Run("between two groups that share a semaphore", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sem := core.NewSemaphore(1)
			var inside gauge
			pages, images := group.New(group.Options{Semaphore: sem}), group.New(group.Options{Semaphore: sem})
			require.NoError(t, pages.GoContext(t.Context(), func(ctx context.Context) {
				for range 3 {
					require.NoError(t, images.GoContext(ctx, func(ctx context.Context) {
						require.NoError(t, pages.GoContext(ctx, func(context.Context) {
							inside.enter()
							defer inside.leave()
							time.Sleep(time.Second)
						}))
					}))
				}
			}))
			pages.Wait()
			images.Wait()
			require.EqualValues(t, 1, inside.most.Load())
			require.Zero(t, sem.InUse())
		})
	})

	t.Run("in a group that is paused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			ran := false
			require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
				g.SetLimit(0)
				require.NoError(t, g.GoContext(ctx, func(context.Context) { ran = true }))
			}))
			g.Wait()
			require.True(t, ran)
			require.False(t, g.TryGo(func() {}))
		})
	})

	t.Run("the context of a task that has ended lends no place", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			var kept context.Context
			require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) { kept = ctx }))
			g.Wait()
			g.Go(func() { time.Sleep(time.Minute) })
			start := time.Now()
			ran := false
			require.NoError(t, g.GoContext(kept, func(context.Context) { ran = true }))
			require.Equal(t, time.Minute, time.Since(start))
			g.Wait()
			require.True(t, ran)
		})
	})

	t.Run("only a task that has a permit lends it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sem := core.NewSemaphore(1)
			g, other := group.New(group.Options{Semaphore: sem}), group.New(group.Options{Limit: 1})
			var ended context.Context
			require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) { ended = ctx }))
			g.Wait()
			var within gauge
			hold := func(context.Context) {
				within.enter()
				time.Sleep(time.Second)
				within.leave()
			}
			require.NoError(t, g.GoContext(t.Context(), hold))
			require.NoError(t, g.GoContext(ended, hold))
			require.NoError(t, other.GoContext(t.Context(), func(ctx context.Context) {
				require.NoError(t, g.GoContext(ctx, hold))
			}))
			other.Wait()
			require.NoError(t, g.GoContext(t.Context(), hold))
			g.Background(t.Context(), func(ctx context.Context) {
				require.NoError(t, g.GoContext(context.WithoutCancel(ctx), hold))
			})
			g.Wait()
			require.EqualValues(t, 1, within.most.Load())
			require.Zero(t, sem.InUse())
		})
	})

	t.Run("a task whose context ended before there was room does not run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := group.New(group.Options{Limit: 1})
			require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				require.Equal(t, context.Canceled, g.GoContext(ctx, func(context.Context) { t.Error("ran") }))
			}))
			g.Wait()
		})
	})
}

// The group's name stands once in the path of a task, however deep the group's tasks nest.
func TestNamesOfNestedTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := group.New(group.Options{Name: "crawl"})
		other := group.New(group.Options{Name: "image"})
		hold := make(chan struct{})
		var nest func(ctx context.Context, depth int)
		nest = func(ctx context.Context, depth int) {
			if depth > 0 {
				require.NoError(t, g.GoContext(ctx, func(ctx context.Context) { nest(ctx, depth-1) }))
				return
			}
			require.NoError(t, other.GoContext(ctx, func(ctx context.Context) {
				require.NoError(t, g.GoContext(ctx, func(context.Context) { <-hold }))
				<-hold
			}))
			<-hold
		}
		nest(t.Context(), 6)
		synctest.Wait()
		require.Equal(t, []string{"crawl", "crawl/image"}, names(t, g))
		require.Equal(t, []string{"crawl/image"}, names(t, other))
		close(hold)
		g.Wait()
		other.Wait()
	})
}

// names returns the names of the tasks that run, without repetitions, the oldest first.
func names(t *testing.T, g *group.Group) (names []string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stuck *core.StuckError
	require.ErrorAs(t, g.WaitContext(ctx), &stuck)
	known := map[string]bool{}
	for _, task := range stuck.Tasks {
		if !known[task.Name] {
			names = append(names, task.Name)
		}
		known[task.Name] = true
	}
	return names
}
