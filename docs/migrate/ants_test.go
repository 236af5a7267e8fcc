package migrate_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/panjf2000/ants/v2"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func TestFromAnts(t *testing.T) {
	var ran atomic.Int32
	task := func() { ran.Add(1) }
	visit := func(n int) { ran.Add(int32(n)) }
	items := []int{1, 2, 3}
	report := func(v any) { ran.Add(100) }
	{
		// snippet: ants before
		p, err := ants.NewPool(10, ants.WithPanicHandler(func(v any) { report(v) }))
		if err != nil {
			return
		}
		var wg sync.WaitGroup
		for range items {
			wg.Add(1)
			err := p.Submit(func() {
				defer wg.Done()
				task()
			})
			if err != nil {
				wg.Done()
			}
		}
		wg.Wait()
		err = p.ReleaseTimeout(10 * time.Second)
		// end snippet
		require.NoError(t, err)
		require.EqualValues(t, 3, ran.Swap(0))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	{
		// snippet: ants after
		p := pool.New(10, pool.Options{OnPanic: func(p *core.PanicError) { report(p.Value) }})
		for range items {
			p.Go(task)
		}
		p.Wait()
		err := p.Shutdown(ctx) // its deadline is 10 s away
		// end snippet
		require.NoError(t, err)
		require.EqualValues(t, 3, ran.Swap(0))
	}
	{
		// snippet: ants func before
		p, err := ants.NewPoolWithFuncGeneric(10, visit)
		if err != nil {
			return
		}
		for _, n := range items {
			_ = p.Invoke(n)
		}
		// and a WaitGroup in visit
		err = p.ReleaseTimeout(10 * time.Second)
		// end snippet
		require.NoError(t, err)
		require.EqualValues(t, 6, ran.Swap(0))
	}
	{
		// snippet: ants func after
		err := pool.For(ctx, 10, len(items), func(_ context.Context, i int) error {
			visit(items[i])
			return nil
		})
		// end snippet
		require.NoError(t, err)
		require.EqualValues(t, 6, ran.Swap(0))
	}
	{
		// snippet: ants without a queue
		g := group.New(group.Options{Limit: 10})
		for range items {
			g.Go(task) // blocks while ten run
		}
		g.Wait()
		// end snippet
		require.EqualValues(t, 3, ran.Swap(0))
	}
}

func TestAntsDifferences(t *testing.T) {
	t.Run("submit blocks while all are busy", func(t *testing.T) {
		theirs, err := ants.NewPool(1, ants.WithNonblocking(true))
		require.NoError(t, err)
		gate := make(chan struct{})
		require.NoError(t, theirs.Submit(func() { <-gate }))
		require.Equal(t, ants.ErrPoolOverload, theirs.Submit(func() {}))

		ours := pool.New(1, pool.Options{Queue: 2})
		ours.Go(func() { <-gate })
		for ours.Stats().Busy == 0 || ours.Stats().Queued != 0 {
			time.Sleep(time.Millisecond)
		}
		require.True(t, ours.TryGo(func() {}))
		require.True(t, ours.TryGo(func() {}))
		require.False(t, ours.TryGo(func() {}))
		close(gate)
		ours.Close()
		require.NoError(t, theirs.ReleaseTimeout(10*time.Second))
	})

	t.Run("a panic goes on", func(t *testing.T) {
		var logged atomic.Int32
		theirs, err := ants.NewPool(1, ants.WithLogger(logger(func() { logged.Add(1) })))
		require.NoError(t, err)
		require.NoError(t, theirs.Submit(func() { panic("broken") }))
		require.NoError(t, theirs.ReleaseTimeout(10*time.Second))
		require.EqualValues(t, 1, logged.Load()) // and the program runs
	})

	t.Run("release does not wait", func(t *testing.T) {
		theirs, err := ants.NewPool(1)
		require.NoError(t, err)
		gate := make(chan struct{})
		require.NoError(t, theirs.Submit(func() { <-gate }))
		theirs.Release() // the task runs still
		close(gate)
		require.Equal(t, ants.ErrPoolClosed, theirs.Submit(func() {}))
	})

	t.Run("a time-out names nobody", func(t *testing.T) {
		theirs, err := ants.NewPool(1)
		require.NoError(t, err)
		gate := make(chan struct{})
		require.NoError(t, theirs.Submit(func() { <-gate }))
		require.Equal(t, ants.ErrTimeout, theirs.ReleaseTimeout(time.Millisecond))
		close(gate)

		synctest.Test(t, func(t *testing.T) {
			ours := pool.New(1, pool.Options{Name: "mail"})
			gate := make(chan struct{})
			ours.Go(func() { <-gate })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var stuck *core.StuckError
			require.ErrorAs(t, ours.Shutdown(ctx), &stuck)
			require.Equal(t, "mail", stuck.Tasks[0].Name)
			close(gate)
			require.NoError(t, ours.Shutdown(t.Context()))
		})
	})

	t.Run("a task that submits to a full pool", func(t *testing.T) {
		theirs, err := ants.NewPool(1)
		require.NoError(t, err)
		var inner error
		require.NoError(t, theirs.Submit(func() { inner = theirs.Submit(func() {}) }))
		for theirs.Waiting() == 0 {
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, theirs.ReleaseTimeout(10*time.Second)) // ends what nothing else would
		require.Equal(t, ants.ErrPoolClosed, inner)
	})

	t.Run("goroutines of its own", func(t *testing.T) {
		var profile strings.Builder
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 2))
		require.Contains(t, profile.String(), "ants/v2.(*poolCommon).ticktock") // of the default pool
	})

	t.Run("resizing", func(t *testing.T) {
		theirs, err := ants.NewPool(1)
		require.NoError(t, err)
		theirs.Tune(2)
		require.Equal(t, 2, theirs.Cap())
		theirs.Release()
		ours := pool.New(1, pool.Options{})
		ours.SetWorkers(2)
		ours.Close()
	})
}

type logger func()

func (l logger) Printf(string, ...any) { l() }
