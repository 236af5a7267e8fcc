package docs_test

// This file runs, with coterie, the programs of public reports of bugs in other packages.
// The table in proof.md lists them.

import (
	"context"
	"errors"
	"os"
	"regexp"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// Each runs in a bubble of its own. A goroutine that is left behind, or a deadlock,
// fails the test.
var reports = map[string]func(t *testing.T){
	// Wait, and then Go again: panic: send on closed channel.
	"sourcegraph/conc#103": func(t *testing.T) {
		g := group.New(group.Options{Limit: 3})
		var ran atomic.Int32
		for range 3 {
			for range 10 {
				g.Go(func() { ran.Add(1) })
			}
			g.Wait()
		}
		require.EqualValues(t, 30, ran.Load())
	},
	// A task calls runtime.Goexit: StopAndWait blocks for ever.
	"alitto/pond#135": func(t *testing.T) {
		p := pool.New(10, pool.Options{})
		p.Go(runtime.Goexit)
		p.Close()
	},
	// The context ends before queued tasks have begun: the group's Wait blocks for ever.
	"alitto/pond#138": func(t *testing.T) {
		p := pool.New(1, pool.Options{})
		defer p.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		b := p.Batch(ctx)
		for range 2 {
			require.NoError(t, b.GoContext(ctx, func(context.Context) { time.Sleep(500 * time.Millisecond) }))
		}
		started := time.Now()
		b.Wait()
		require.LessOrEqual(t, time.Since(started), time.Second)
	},
	// Tasks wait for groups of their own pool, more of them than there are workers: all
	// hang.
	"alitto/pond#56": func(t *testing.T) {
		p := pool.New(16, pool.Options{})
		defer p.Close()
		var ran atomic.Int32
		a := p.Batch(t.Context())
		for range 100 {
			require.NoError(t, a.GoContext(t.Context(), func(ctx context.Context) {
				b := p.Batch(ctx)
				for range 10 {
					if b.GoContext(ctx, func(context.Context) { ran.Add(1) }) != nil {
						return
					}
				}
				b.Wait()
			}))
		}
		a.Wait()
		require.EqualValues(t, 1000, ran.Load())
	},
	// Each task panics: those who wait for a worker get one only when the pool is
	// purged, ten seconds later.
	"panjf2000/ants#146": func(t *testing.T) {
		var panics atomic.Int32
		p := pool.New(1, pool.Options{
			Queue: 1, IdleAfter: 10 * time.Second,
			OnPanic: func(*core.PanicError) { panics.Add(1) },
		})
		started := time.Now()
		for range 5 {
			p.Go(func() {
				time.Sleep(10 * time.Millisecond)
				panic("test panic")
			})
		}
		p.Wait()
		require.EqualValues(t, 5, panics.Load())
		require.Equal(t, 50*time.Millisecond, time.Since(started))
		p.Close()
	},
	// A goroutine of each pool is left when it has been released.
	"panjf2000/ants#263": func(t *testing.T) {
		for range 100 {
			p := pool.New(1337, pool.Options{})
			p.Go(func() {})
			p.Close()
		}
	},
	// A limit by a semaphore, in the body of an error group: the error that cancelled
	// the context is lost, and context canceled is returned.
	"golang/go#27837": func(t *testing.T) {
		important := errors.New("important message here")
		err := errgroup.RunWith(t.Context(), errgroup.Options{Limit: 2}, func(ctx context.Context, g *errgroup.Group) error {
			for range 100 {
				err := g.GoContext(ctx, func(context.Context) error {
					time.Sleep(time.Second)
					return important
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		require.Equal(t, important, err)
	},
	// The limit is taken away while a task runs: the task's goroutine may block for
	// ever.
	"golang/sync#14": func(t *testing.T) {
		var g errgroup.Group
		g.SetLimit(1)
		release := make(chan bool)
		g.Go(func() error { <-release; return nil })
		g.SetLimit(-1)
		g.Go(func() error { close(release); return nil })
		require.NoError(t, g.Wait())
	},
}

func TestReports(t *testing.T) {
	page, err := os.ReadFile("proof.md")
	require.NoError(t, err)
	listed := regexp.MustCompile(`(?m)^\| \[([a-z0-9-]+/[a-z]+#\d+)\]`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, listed, len(reports))
	for _, m := range listed {
		require.Contains(t, reports, m[1])
	}
	for name, report := range reports {
		t.Run(name, func(t *testing.T) { synctest.Test(t, report) })
	}
}
