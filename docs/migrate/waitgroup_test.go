package migrate_test

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

func TestFromWaitGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int32
		task := func() { time.Sleep(time.Second); ran.Add(1) }
		items := make([]int, 10)
		{
			// snippet: waitgroup before
			var wg sync.WaitGroup
			for range items {
				wg.Go(task)
			}
			wg.Wait()
			// end snippet
		}
		{
			// snippet: waitgroup after
			var g group.Group
			for range items {
				g.Go(task)
			}
			g.Wait()
			// end snippet
		}
		{
			// snippet: waitgroup in a scope
			group.Run(func(g *group.Group) {
				for range items {
					g.Go(task)
				}
			})
			// end snippet
		}
		require.EqualValues(t, 30, ran.Load())
	})
}

func TestWaitGroupTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		var g group.Group
		wg.Go(func() { time.Sleep(time.Minute) })
		g.Go(func() { time.Sleep(time.Minute) })
		{
			// snippet: wait with a timeout before
			done := make(chan struct{})
			go func() { wg.Wait(); close(done) }()
			select {
			case <-done:
			case <-ctx.Done(): // the goroutine above stays
			}
			// end snippet
		}
		// snippet: wait with a timeout after
		err := g.WaitContext(ctx)
		// end snippet
		require.ErrorIs(t, err, context.DeadlineExceeded)
		g.Wait()
		wg.Wait()
	})
}

func TestWaitGroupLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		task := func() { time.Sleep(time.Second) }
		items := make([]int, 10)
		{
			// snippet: a limit before
			var wg sync.WaitGroup
			slots := make(chan struct{}, 5)
			for range items {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					task()
				})
			}
			wg.Wait()
			// end snippet
		}
		{
			// snippet: a limit after
			g := group.New(group.Options{Limit: 5})
			for range items {
				g.Go(task)
			}
			g.Wait()
			// end snippet
		}
		require.Equal(t, 4*time.Second, time.Since(started))
	})
}

func TestWaitGroupDifferences(t *testing.T) {
	t.Run("a goexit", func(t *testing.T) {
		var wg sync.WaitGroup
		wg.Go(runtime.Goexit)
		wg.Wait() // returns

		var after atomic.Bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			var g group.Group
			g.Go(runtime.Goexit)
			g.Wait()
			after.Store(true)
		}()
		<-ended
		require.False(t, after.Load())
	})

	t.Run("a panic", func(t *testing.T) {
		defer func() {
			p, ok := recover().(*core.PanicError)
			require.True(t, ok)
			require.Equal(t, "broken", p.Value)
		}()
		var g group.Group
		g.Go(func() { panic("broken") })
		g.Wait()
	})

	t.Run("two who wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			g.Go(func() { time.Sleep(time.Second); panic("broken") })
			var waits [2]any
			group.Run(func(both *group.Group) {
				for i := range waits {
					both.Go(func() { waits[i] = raised(g.Wait) })
				}
			})
			require.NotNil(t, waits[0])
			require.Equal(t, "broken", waits[0].(*core.PanicError).Value)
			require.Equal(t, "broken", waits[1].(*core.PanicError).Value)
		})
	})

	t.Run("counting by hand", func(t *testing.T) {
		// snippet: counting by hand
		var wg core.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
		}()
		wg.Wait()
		// end snippet
		require.Zero(t, wg.Count())
	})
}
