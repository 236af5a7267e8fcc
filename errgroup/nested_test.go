package errgroup_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

// Tasks that start tasks with their context go on under any limit.
func TestRecursionUnderALimit(t *testing.T) {
	for _, limit := range []int{1, 2, 5} {
		for name, opts := range map[string]errgroup.Options{
			"a limit":                 {Limit: limit},
			"a limit, collecting":     {Limit: limit, Collect: true},
			"a limit and a semaphore": {Limit: limit, Semaphore: core.NewSemaphore(int64(limit)), Name: "crawl"},
			"a semaphore":             {Semaphore: core.NewSemaphore(int64(limit))},
		} {
			t.Run(fmt.Sprintf("%s of %d", name, limit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g, ctx := errgroup.New(t.Context(), opts)
					var pages, now, most atomic.Int32
					var visit func(ctx context.Context, depth int) error
					visit = func(ctx context.Context, depth int) error {
						return g.GoContext(ctx, func(ctx context.Context) error {
							pages.Add(1)
							most.Store(max(most.Load(), now.Add(1)))
							time.Sleep(time.Second)
							now.Add(-1) // from here on it only lends its place
							for range 3 {
								if depth > 0 {
									if err := visit(ctx, depth-1); err != nil {
										return err
									}
								}
							}
							return nil
						})
					}
					require.NoError(t, visit(ctx, 3))
					require.NoError(t, g.Wait())
					require.EqualValues(t, 1+3+9+27, pages.Load())
					require.LessOrEqual(t, int(most.Load()), limit)
				})
			})
		}
	}

	t.Run("an error of a task that ran in place is the group's", func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Limit: 1})
		require.NoError(t, g.GoContext(ctx, func(ctx context.Context) error {
			require.NoError(t, g.GoContext(ctx, func(context.Context) error { return errBoom }))
			return context.Cause(ctx)
		}))
		require.Equal(t, errBoom, g.Wait())
	})
}

// A name stands once in the path of a task.
func TestNamesOfNestedTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "crawl"})
		hold := make(chan struct{})
		var nest func(ctx context.Context, depth int) error
		nest = func(ctx context.Context, depth int) error {
			if depth > 0 {
				require.NoError(t, g.GoContext(ctx, func(ctx context.Context) error { return nest(ctx, depth-1) }))
			}
			<-hold
			return nil
		}
		require.NoError(t, g.GoContext(ctx, func(ctx context.Context) error { return nest(ctx, 5) }))
		g.GoNamed("other", func() error { <-hold; return nil })
		synctest.Wait()
		done, cancel := context.WithCancel(t.Context())
		cancel()
		var stuck *core.StuckError
		require.ErrorAs(t, g.WaitContext(done), &stuck)
		require.Len(t, stuck.Tasks, 7)
		names := map[string]int{}
		for _, task := range stuck.Tasks {
			names[task.Name]++
		}
		require.Equal(t, map[string]int{"crawl": 6, "crawl/other": 1}, names)
		close(hold)
		require.NoError(t, g.Wait())
	})
}

// Reports say that the owner is an errgroup, whoever made it.
func TestStuckErrorSaysWhose(t *testing.T) {
	named, _ := errgroup.New(t.Context(), errgroup.Options{Name: "ingest"})
	made, _ := errgroup.WithContext(t.Context())
	for _, c := range []struct {
		text string
		g    *errgroup.Group
	}{
		{"errgroup: 1 running: no time", new(errgroup.Group)},
		{"errgroup: 1 running: no time", made},
		{`errgroup "ingest": 1 running: no time`, named},
	} {
		hold, begun := make(chan struct{}), make(chan struct{})
		c.g.Go(func() error { close(begun); <-hold; return nil })
		<-begun
		done, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("no time"))
		text, _, _ := strings.Cut(c.g.WaitContext(done).Error(), "\n")
		require.Equal(t, c.text, text)
		close(hold)
		require.NoError(t, c.g.Wait())
	}
}
