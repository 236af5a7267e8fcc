package guide_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// snippet: a hand-written pool
type resizer struct {
	images  chan string
	resized chan string
	workers sync.WaitGroup
}

func newResizer(workers int) *resizer {
	r := &resizer{images: make(chan string), resized: make(chan string)}
	for range workers {
		r.workers.Go(func() {
			for image := range r.images {
				r.resized <- strings.ToUpper(image)
			}
		})
	}
	return r
}

func (r *resizer) Stop() {
	close(r.images)
	r.workers.Wait()
	close(r.resized)
}

func TestBugStopDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResizer(2)
		r.images <- "a"
		r.images <- "b"
		<-r.resized // one is enough
		r.Stop()
	})
}

// end snippet

// snippet: closed while sent to
func TestBugClosedWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResizer(0) // all workers are busy, say
		go func() { r.images <- "late" }()
		synctest.Wait()
		r.Stop()
	})
}

// end snippet

func TestPoolOfResizers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		resize := func(image string) (string, error) { return strings.ToUpper(image), nil }
		// snippet: a pool
		p := pool.New(2, pool.Options{Queue: 100})
		a, err := pool.Submit(ctx, p, func(context.Context) (string, error) { return resize("a") })
		require.NoError(t, err)
		b, err := pool.Submit(ctx, p, func(context.Context) (string, error) { return resize("b") })
		require.NoError(t, err)

		first, err := a.Get() // b need not be read
		p.Close()             // refuses new tasks, runs the accepted ones, joins the workers

		_, late := pool.Submit(ctx, p, func(context.Context) (string, error) { return resize("late") })
		require.Equal(t, pool.ErrClosed, late)
		// end snippet
		require.NoError(t, err)
		require.Equal(t, "A", first)
		second, err := b.Get()
		require.NoError(t, err)
		require.Equal(t, "B", second)
	})
}

// snippet: nested wait
type folder struct {
	size    int
	folders []folder
}

type workers struct{ tasks chan func() }

// all has the workers run fs, and returns when they have.
func (w *workers) all(fs ...func()) {
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Add(1)
		w.tasks <- func() { defer wg.Done(); f() }
	}
	wg.Wait()
}

func (w *workers) size(f folder, sum *atomic.Int64) {
	sum.Add(int64(f.size))
	var fs []func()
	for _, sub := range f.folders {
		fs = append(fs, func() { w.size(sub, sum) })
	}
	w.all(fs...)
}

func TestBugNestedWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workers{tasks: make(chan func(), 100)}
		for range 2 {
			go func() {
				for task := range w.tasks {
					task()
				}
			}()
		}
		deep := folder{1, []folder{{2, []folder{{3, []folder{{4, nil}}}}}}}
		var sum atomic.Int64
		w.size(deep, &sum) // two workers are enough for two levels
	})
}

// end snippet

// snippet: nested batches
func size(ctx context.Context, p *pool.Pool, f folder) int {
	var sum atomic.Int64
	b := p.Batch(ctx)
	for _, sub := range f.folders {
		err := b.GoContext(ctx, func(ctx context.Context) {
			sum.Add(int64(size(ctx, p, sub)))
		})
		if err != nil {
			break // ctx is done
		}
	}
	b.Wait() // lends its place
	return f.size + int(sum.Load())
}

func TestNestedBatches(t *testing.T) {
	p := pool.New(1, pool.Options{})
	defer p.Close()
	deep := folder{1, []folder{{2, []folder{{3, []folder{{4, nil}}}}}}}
	require.Equal(t, 10, size(t.Context(), p, deep))
}

// end snippet

func TestRecursion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		deep := folder{1, []folder{{2, []folder{{3, []folder{{4, nil}}}}}, {5, nil}}}
		// snippet: recursion
		g := group.New(group.Options{Limit: 2})
		var sum atomic.Int64
		var visit func(ctx context.Context, f folder)
		visit = func(ctx context.Context, f folder) {
			sum.Add(int64(f.size))
			for _, sub := range f.folders {
				if err := g.GoContext(ctx, func(ctx context.Context) { visit(ctx, sub) }); err != nil {
					return // ctx is done
				}
			}
		}
		err := g.GoContext(ctx, func(ctx context.Context) { visit(ctx, deep) })
		g.Wait()
		// end snippet
		require.NoError(t, err)
		require.EqualValues(t, 15, sum.Load())
	})
}

func TestDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// snippet: deadlock
		g := group.New(group.Options{Name: "crawl", Limit: 16})
		for range 16 {
			//coterie:selfwait for the page: this is the mistake that it shows
			g.Go(func() { g.Go(func() {}) })
		}
		// end snippet
		defer func() {
			p, ok := recover().(*core.PanicError)
			require.True(t, ok)
			require.Equal(t, `group: deadlock: all 16 tasks of "crawl" wait for room in it; `+
				"start them with GoContext and the task's context", p.Value)
		}()
		g.Wait()
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		work := func() { time.Sleep(time.Second) }
		// snippet: a limit
		g := group.New(group.Options{Limit: 10})
		for range 100 {
			g.Go(work) // blocks while ten run
		}
		g.Wait()
		// end snippet
		require.Equal(t, 10*time.Second, time.Since(started))
	})
}

func TestSharedLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		work := func() { time.Sleep(time.Second) }
		// snippet: a shared limit
		connections := core.NewSemaphore(10)
		reads := group.New(group.Options{Name: "reads", Semaphore: connections})
		writes := group.New(group.Options{Name: "writes", Semaphore: connections, Limit: 2})
		// end snippet
		for range 15 {
			reads.Go(work)
		}
		for range 2 {
			writes.Go(work)
		}
		require.Equal(t, 2, writes.Running())
		reads.Wait()
		writes.Wait()
		require.Equal(t, 2*time.Second, time.Since(started))
	})
}

func TestChangedLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := func() { time.Sleep(time.Second) }
		g := group.New(group.Options{Limit: 10})
		// snippet: a changed limit
		g.SetLimit(2)  // those that run go on; new ones start once less than two do
		g.SetLimit(0)  // pauses
		g.SetLimit(50) // wakes the callers that wait in Go
		// end snippet
		g.Go(work)
		require.True(t, g.TryGo(work))
		g.Wait()
	})
}

func TestDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.Options{Name: "mail"})
		p.Go(func() { time.Sleep(time.Hour) })
		synctest.Wait()
		p.Go(func() {})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var stuck *core.StuckError
		require.ErrorAs(t, p.Shutdown(ctx), &stuck)
		require.Equal(t, 1, stuck.Running)
		require.EqualValues(t, 1, p.Stats().Dropped)
		require.NoError(t, p.Shutdown(t.Context()))
	})
}
