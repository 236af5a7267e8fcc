package tree_test

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

type item = func(ctx context.Context, i int) (int, error)

// hangInLoop starts a task that runs a loop. wait, as an item of the loop, waits for the task's group.
func hangInLoop(t *testing.T, loop func(ctx context.Context, wait item)) (join func()) {
	g := group.New(group.Options{Name: "hang"})
	stop, cancel := context.WithCancel(context.Background())
	require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
		loop(ctx, func(context.Context, int) (int, error) { _ = g.WaitContext(stop); return 0, nil })
	}))
	return func() { cancel(); synctest.Wait(); g.Wait() }
}

// hangInPool is hangInLoop for a task of a pool. wait waits for a group, of which a task waits for the
// pool.
func hangInPool(t *testing.T, workers int, loop func(ctx context.Context, wait item)) (join func()) {
	p, g := pool.New(workers, pool.Options{Name: "hang p"}), group.New(group.Options{Name: "hang g"})
	stop, cancel := context.WithCancel(context.Background())
	both := make(chan struct{}) // closed when both have a task for which the other's can wait
	require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
		<-both
		loop(ctx, func(context.Context, int) (int, error) { _ = g.WaitContext(stop); return 0, nil })
	}))
	g.Go(func() { _ = p.WaitContext(stop) })
	close(both)
	return func() { cancel(); p.Close(); g.Wait() }
}

// inFor calls For. Two items wait, and the caller's goroutine runs none of them.
func inFor(ctx context.Context, wait item) {
	begun := make(chan int, 2)
	_ = pool.For(ctx, 3, 3, func(ctx context.Context, i int) error {
		if i > 0 {
			begun <- i
			_, err := wait(ctx, i)
			return err
		}
		<-begun
		<-begun
		return nil
	})
}

// count returns the numbers from 0 to n-1.
func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i++ {
		}
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name string
		hang func(t *testing.T, release chan struct{}) (join func())
		want []string // those that mention "hang"
	}{
		{"nothing is wrong", func(t *testing.T, release chan struct{}) func() {
			g := group.New(group.Options{Name: "hang", Limit: 1})
			g.Go(func() { fetch(release) })
			return g.Wait
		}, nil},
		{"a paused owner", func(t *testing.T, release chan struct{}) func() {
			p := pool.New(1, pool.Options{Name: "hang"})
			p.SetWorkers(0)
			p.Go(func() {})
			return func() { p.SetWorkers(1); p.Close() }
		}, []string{"hang is paused, with a limit of 0; waiting: 1 task"}},
		{"a task that ignores its deadline", func(t *testing.T, release chan struct{}) func() {
			g := group.New(group.Options{Name: "hang"})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			require.NoError(t, g.GoContext(ctx, func(context.Context) { fetch(release) }))
			return func() { cancel(); g.Wait() }
		}, []string{"hang runs at tree_test.go:N with a context that is done for 15 s"}},
		{"an owner cancelled from outside", func(t *testing.T, release chan struct{}) func() {
			ctx, cancel := context.WithCancel(t.Context())
			g, _ := errgroup.New(ctx, errgroup.Options{Name: "hang"})
			g.Go(func() error { fetch(release); return nil })
			cancel()
			require.Empty(t, warnings("hang")) // it may still end
			return func() { _ = g.Wait() }
		}, []string{"hang was cancelled at least 20 s ago and 1 of its tasks still runs at tree_test.go:N"}},
		{"an owner whose task has ended", func(t *testing.T, release chan struct{}) func() {
			var inner *errgroup.Group
			g := group.New(group.Options{Name: "outer"})
			require.NoError(t, g.GoContext(t.Context(), func(ctx context.Context) {
				inner, _ = errgroup.New(ctx, errgroup.Options{Name: "hang"})
				inner.Go(func() error { fetch(release); return nil })
			}))
			return func() { g.Wait(); _ = inner.Wait() }
		}, []string{"outer/hang was made in a task that has ended, and nobody waits for its 1 task"}},
		{"two groups that wait for each other", func(t *testing.T, release chan struct{}) func() {
			a, b := group.New(group.Options{Name: "hang a"}), group.New(group.Options{Name: "hang b"})
			ctx, cancel := context.WithCancel(context.Background())
			both := make(chan struct{})
			a.GoNamed("x", func() { <-both; _ = b.WaitContext(ctx) })
			b.GoNamed("y", func() { <-both; _ = a.WaitContext(ctx) })
			close(both)
			return func() { cancel(); synctest.Wait(); a.Wait(); b.Wait() }
		}, []string{"hang a/x waits in a circle: it waits for the tasks of hang b, where hang b/y waits for the tasks of hang a"}},
		{"a task that waits for its own group", func(t *testing.T, release chan struct{}) func() {
			g := group.New(group.Options{Name: "hang"})
			ctx, cancel := context.WithCancel(context.Background())
			g.Go(func() { _ = g.WaitContext(ctx) }) //coterie:selfwait that it waits for itself is the point
			return func() { cancel(); synctest.Wait(); g.Wait() }
		}, []string{"hang waits in a circle: it waits for the tasks of hang"}},
		{"all tasks wait for room in their own group, until a context ends", func(t *testing.T, release chan struct{}) func() {
			g := group.New(group.Options{Name: "hang", Limit: 2})
			ctx, cancel := context.WithCancel(context.Background())
			both := make(chan struct{})
			for range 2 {
				g.Go(func() {
					<-both
					_ = g.GoContext(ctx, func(context.Context) {}) //coterie:selfwait that it waits for itself is the point
				})
			}
			close(both)
			return func() { cancel(); g.Wait() }
		}, []string{
			"hang waits in a circle: it waits for room in hang",
			"hang waits for room in hang for 20 s, and 1 more",
		}},
		{"one of those that run can go on", func(t *testing.T, release chan struct{}) func() {
			g := group.New(group.Options{Name: "hang", Limit: 2})
			g.Go(func() { fetch(release) })
			g.Go(func() { g.Go(func() {}) }) //coterie:selfwait that it waits for itself is the point
			return g.Wait
		}, []string{"hang waits for room in hang for 20 s"}},
		{"through a semaphore", func(t *testing.T, release chan struct{}) func() {
			sem := core.NewSemaphore(1)
			a := group.New(group.Options{Name: "hang a", Semaphore: sem})
			b := group.New(group.Options{Name: "hang b", Semaphore: sem})
			a.Go(func() { b.Go(func() {}) })
			return func() { sem.SetLimit(2); a.Wait(); b.Wait() }
		}, []string{
			"hang a waits in a circle: it waits for the semaphore of hang b",
			"hang a waits for the semaphore of hang b for 20 s",
		}},
		{"a permit of the semaphore is held elsewhere", func(t *testing.T, release chan struct{}) func() {
			sem := core.NewSemaphore(2)
			require.NoError(t, sem.Acquire(t.Context(), 1))
			a := group.New(group.Options{Name: "hang a", Semaphore: sem})
			b := group.New(group.Options{Name: "hang b", Semaphore: sem})
			a.Go(func() { b.Go(func() {}) })
			return func() { sem.Release(1); a.Wait(); b.Wait() }
		}, []string{"hang a waits for the semaphore of hang b for 20 s"}},
		{"a batch on a pool of one worker", func(t *testing.T, release chan struct{}) func() {
			p := pool.New(1, pool.Options{Name: "hang"})
			p.Go(func() {
				b := p.Batch(context.Background())
				b.Go(func() {})
				b.Wait()
			})
			return func() { p.SetWorkers(2); p.Close() }
		}, []string{"hang waits in a circle: it waits for tasks of hang"}},
		{"a batch of the task's own context lends its place", func(t *testing.T, release chan struct{}) func() {
			p := pool.New(1, pool.Options{Name: "hang"})
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				b := p.Batch(ctx)
				b.Go(func() { fetch(release) })
				b.Wait()
			}))
			return p.Close
		}, nil},
		{"all items of a range over Map wait for the group of its task", func(t *testing.T, release chan struct{}) func() {
			return hangInLoop(t, func(ctx context.Context, wait item) {
				for range pool.Map(ctx, 2, count(3), wait) { //coterie:waiterr no call fails
				}
			})
		}, []string{"hang waits in a circle: it waits for the items of its loop, of which one waits for the tasks of hang"}},
		{"the first item of a range over Map waits for the group of its task", func(t *testing.T, release chan struct{}) func() {
			return hangInLoop(t, func(ctx context.Context, wait item) {
				for range pool.Map(ctx, 2, count(100), func(ctx context.Context, i int) (int, error) { //coterie:waiterr no call fails
					if i > 0 {
						return 0, nil
					}
					return wait(ctx, i)
				}) {
				}
			})
		}, []string{"hang waits in a circle: it waits for the items of its loop, of which one waits for the tasks of hang"}},
		{"the input of a range over Chunk waits for the group of its task", func(t *testing.T, release chan struct{}) func() {
			return hangInLoop(t, func(ctx context.Context, wait item) {
				for range pool.Chunk(ctx, func(yield func(int) bool) { _, _ = wait(ctx, 0) }, 2, 0) {
				}
			})
		}, []string{"hang waits in a circle: it waits for the items of its loop, of which one waits for the tasks of hang"}},
		{"items of For wait for the group of its task", func(t *testing.T, release chan struct{}) func() {
			return hangInLoop(t, inFor)
		}, []string{"hang waits in a circle: it waits for the items of its loop, of which one waits for the tasks of hang"}},
		{"items of For wait for a group that waits for the pool of its task", func(t *testing.T, release chan struct{}) func() {
			return hangInPool(t, 3, inFor)
		}, []string{"hang p waits in a circle: it waits for the items of its loop, of which one waits for the tasks of hang g, of which one waits for the tasks of hang p"}},
		{"the item of Map that has the place of its caller waits for a group that waits for the pool of its task", func(t *testing.T, release chan struct{}) func() {
			return hangInPool(t, 1, func(ctx context.Context, wait item) {
				for range pool.Map(ctx, 1, count(2), wait) { //coterie:waiterr no call fails
				}
			})
		}, []string{"hang p waits in a circle: it waits for the items of its loop, of which one waits for the tasks of hang g, of which one waits for the tasks of hang p"}},
		{"one item of the loop can go on", func(t *testing.T, release chan struct{}) func() {
			return hangInLoop(t, func(ctx context.Context, wait item) {
				for range pool.Map(ctx, 2, slices.Values([]int{1, 2}), func(ctx context.Context, i int) (int, error) { //coterie:waiterr no call fails
					if i == 1 {
						return wait(ctx, i)
					}
					fetch(release)
					return 0, nil
				}) {
				}
			})
		}, nil},
		{"the input of the loop can go on", func(t *testing.T, release chan struct{}) func() {
			return hangInLoop(t, func(ctx context.Context, wait item) {
				input := func(yield func(int) bool) { yield(1); fetch(release) }
				for range pool.MapUnordered(ctx, 2, input, wait) { //coterie:waiterr no call fails
				}
			})
		}, nil},
	} {
		if raceBuild && strings.HasSuffix(c.name, " of its task") {
			continue // there each item has a goroutine of its own
		}
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				join := c.hang(t, release)
				time.Sleep(20 * time.Second)
				got := warnings("hang")
				close(release)
				join()
				require.Equal(t, c.want, got)
				runtime.KeepAlive(join)
			})
		})
	}
}
