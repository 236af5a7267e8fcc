package sched_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// A ruler is a context that says how many functions have passed a question on to it.
type ruler struct {
	context.Context
	callers []uintptr
}

type deepKey struct{}

func (d ruler) Value(key any) any {
	if key == (deepKey{}) {
		return runtime.Callers(0, d.callers)
	}
	return d.Context.Value(key)
}

// A starter starts a task with a context, in owners of some kind.
type starter = func(ctx context.Context, f func(ctx context.Context))

// starters are those of all owners. join waits for them, and ends them.
func starters() (all map[string]starter, join func()) {
	var g group.Group
	named := group.New(group.Options{Name: "named"})
	limited := group.New(group.Options{Limit: 4})
	var eg errgroup.Group
	p, namedPool := pool.New(2, pool.Options{}), pool.New(2, pool.Options{Name: "pool"})
	b := p.Batch(context.Background())
	inGroup := func(g *group.Group) starter {
		return func(ctx context.Context, f func(ctx context.Context)) { _ = g.GoContext(ctx, f) }
	}
	all = map[string]starter{
		"group":         inGroup(&g),
		"named group":   inGroup(named),
		"limited group": inGroup(limited),
		"errgroup": func(ctx context.Context, f func(ctx context.Context)) {
			_ = eg.GoContext(ctx, func(ctx context.Context) error { f(ctx); return nil })
		},
		"pool":  func(ctx context.Context, f func(ctx context.Context)) { _ = p.GoContext(ctx, f) },
		"batch": func(ctx context.Context, f func(ctx context.Context)) { _ = b.GoContext(ctx, f) },
		"named pool, submitted": func(ctx context.Context, f func(ctx context.Context)) {
			_, _ = pool.Submit(ctx, namedPool, func(ctx context.Context) (int, error) { f(ctx); return 0, nil })
		},
	}
	alternate := 0
	all["named group and named pool in turn"] = func(ctx context.Context, f func(ctx context.Context)) {
		if alternate++; alternate%2 == 0 {
			_ = named.GoContext(ctx, f)
		} else {
			_ = namedPool.GoContext(ctx, f)
		}
	}
	return all, func() {
		p.Close()
		namedPool.Close()
	}
}

// chain starts a chain of n tasks, each of which starts the next with its context, and returns
// when each has run. each is called in every task.
func chain(start starter, n int, each func(ctx context.Context, i int)) {
	done := make(chan struct{})
	var next func(i int) func(ctx context.Context)
	next = func(i int) func(ctx context.Context) {
		return func(ctx context.Context) {
			each(ctx, i)
			if i == n {
				close(done)
				return
			}
			start(ctx, next(i+1))
		}
	}
	start(ruler{context.Background(), make([]uintptr, 1<<14)}, next(1))
	<-done
}

func TestAChainOfTasks(t *testing.T) {
	const links = 500
	names, join := starters()
	defer join()
	for name := range names {
		t.Run("is no deeper at its end than at its beginning, in a "+name, func(t *testing.T) {
			all, join := starters()
			defer join()
			var depths [links + 1]int
			chain(all[name], links, func(ctx context.Context, i int) { depths[i] = ctx.Value(deepKey{}).(int) })
			require.LessOrEqual(t, depths[links], depths[1]+4)
		})

		t.Run("keeps none of those that have ended, in a "+name, func(t *testing.T) {
			all, join := starters()
			defer join()
			var collected atomic.Int64
			kept := 0
			chain(all[name], links, func(ctx context.Context, i int) {
				runtime.AddCleanup(sched.TaskOf(ctx), func(int) { collected.Add(1) }, 0)
				if i < links {
					return
				}
				for range 100 {
					runtime.GC()
					if kept = links - int(collected.Load()); kept < 20 {
						break
					}
					runtime.Gosched()
				}
			})
			require.Less(t, kept, 20)
		})
	}
}

func TestAChainOfTasksHasItsNameOnce(t *testing.T) {
	g := group.New(group.Options{Name: "crawl"})
	p := pool.New(2, pool.Options{Name: "fetch"})
	defer p.Close()
	in := starter(func(ctx context.Context, f func(ctx context.Context)) { _ = g.GoContext(ctx, f) })
	done := make(chan struct{}) // a wait beside that of the task would tell it that it waits for itself
	chain(in, 10, func(ctx context.Context, i int) {
		if i != 10 {
			return
		}
		_, err := pool.Submit(ctx, p, func(ctx context.Context) (int, error) {
			_ = g.GoContext(ctx, func(ctx context.Context) {
				defer close(done)
				gone, cancel := context.WithCancel(context.Background())
				cancel()
				err := g.WaitContext(gone) //coterie:selfwait that it waits for itself is the point
				require.ErrorAs(t, err, new(*core.StuckError))
				require.Contains(t, err.Error(), "crawl/fetch,")
				require.NotContains(t, err.Error(), "fetch/crawl")
			})
			return 0, nil
		})
		require.NoError(t, err)
	})
	<-done
	g.Wait()
}
