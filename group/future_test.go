package group_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

func TestFork(t *testing.T) {
	t.Run("get returns what f returned, to each who asks", func(t *testing.T) {
		var g group.Group
		failure := errors.New("failed")
		future := group.Fork(&g, func() (int, error) { return 7, failure })
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				v, err := future.Get()
				if v != 7 || err != failure {
					t.Errorf("got %d, %v", v, err)
				}
			})
		}
		callers.Wait()
		g.Wait()
	})

	t.Run("a panic of f is raised by get and by wait, and counts once", func(t *testing.T) {
		var g group.Group
		future := group.Fork(&g, func() (int, error) { raiseHere("boom"); return 0, nil })
		g.Go(func() { _, _ = future.Get() })
		require.Equal(t, "boom", caught(func() { _, _ = future.Get() }).(*core.PanicError).Value)
		p := caught(g.Wait).(*core.PanicError)
		require.Equal(t, "boom", p.Value)
		require.Empty(t, p.Others)
		require.Equal(t, 1, strings.Count(p.Error(), "group_test.raiseHere("))
	})

	t.Run("a goexit of f is an error of get", func(t *testing.T) {
		var g group.Group
		future := group.Fork(&g, func() (int, error) { runtime.Goexit(); return 0, nil })
		_, err := future.Get()
		require.ErrorIs(t, err, core.ErrGoexit)
		require.True(t, exited(g.Wait))
	})

	t.Run("get gives up when its context is done", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			future := group.Fork(&g, func() (string, error) { time.Sleep(time.Hour); return "late", nil })
			cause := errors.New("enough")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, cause)
			defer cancel()
			v, err := future.GetContext(ctx)
			require.Empty(t, v)
			require.Equal(t, cause, err)
			select {
			case <-future.Done():
				t.Error("done")
			default:
			}
			g.Wait()
			v, err = future.GetContext(ctx)
			require.NoError(t, err, "there is a result, though ctx is done")
			require.Equal(t, "late", v)
			<-future.Done()
		})
	})

	t.Run("a promise is resolved once", func(t *testing.T) {
		p := group.NewPromise[int]()
		p.Resolve(1, nil)
		require.Equal(t, "group: promise resolved twice", caught(func() { p.Resolve(2, nil) }))
		v, err := p.Future().Get()
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
}

// Those who come to wait just as the result does get it, however they wait.
func TestFutureResolvedMeanwhile(t *testing.T) {
	const rounds = 3000
	for range rounds {
		p := group.NewPromise[int]()
		f := p.Future()
		var all sync.WaitGroup
		all.Go(func() { p.Resolve(7, nil) })
		for i := range 3 {
			all.Go(func() {
				if i == 0 {
					<-f.Done()
				}
				v, err := f.Get()
				require.NoError(t, err)
				require.Equal(t, 7, v)
			})
		}
		all.Wait()
		require.PanicsWithValue(t, "group: promise resolved twice", func() { p.Resolve(8, nil) })
		v, _ := f.Get()
		require.Equal(t, 7, v)
		<-f.Done()
	}
}
