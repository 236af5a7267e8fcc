package errgroup_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

func TestDeadlock(t *testing.T) {
	for name, opts := range map[string]errgroup.Options{
		"all tasks that wait for room are told":                     {Limit: 2},
		"so are tasks that hold all permits of their own semaphore": {Semaphore: core.NewSemaphore(2)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts.Name, opts.Panics = "crawl", core.Capture
				g, _ := errgroup.New(t.Context(), opts)
				for range 2 {
					g.Go(func() error {
						time.Sleep(time.Second) // until both run
						g.Go(nothing)           //coterie:selfwait that it waits for itself is the point
						return nil
					})
				}
				require.ErrorContains(t, g.Wait(), `errgroup: deadlock: all 2 tasks of "crawl" wait for room in it; start them with GoContext and the task's context`)
			})
		})
	}

	t.Run("a task that waits for its own group is told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const text = "errgroup: Wait on a group within one of its own tasks"
			err := errgroup.RunWith(t.Context(), errgroup.Options{Panics: core.Capture}, func(_ context.Context, g *errgroup.Group) error {
				g.Go(g.Wait)
				return nil
			})
			require.ErrorContains(t, err, text)
			g, _ := errgroup.WithContext(t.Context())
			g.Background(func(context.Context) error { return g.Wait() }) //coterie:selfwait that it waits for itself is the point
			require.Equal(t, text, caught(func() { _ = g.Wait() }).(*core.PanicError).Value)
		})
	})
}
