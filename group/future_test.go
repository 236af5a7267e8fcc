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
	"github.com/coterie-go/coterie/core/child"
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

	t.Run("get raises the panic although OnPanic calls Goexit", func(t *testing.T) {
		g := group.New(group.Options{Panics: core.Capture, OnPanic: func(*core.PanicError) { runtime.Goexit() }})
		future := group.Fork(g, func() (int, error) { panic("boom") })
		require.Equal(t, "boom", caught(func() { _, _ = future.Get() }).(*core.PanicError).Value)
		g.Wait()
	})

	t.Run("a goexit of f is an error of get", func(t *testing.T) {
		var g group.Group
		future := group.Fork(&g, func() (int, error) { runtime.Goexit(); return 0, nil })
		_, err := future.Get()
		require.ErrorIs(t, err, core.ErrGoexit)
		require.True(t, exited(g.Wait))
	})

	t.Run("right after get the task does not run any more", func(t *testing.T) {
		done, cancel := context.WithCancel(t.Context())
		cancel()
		var g group.Group
		stuck := 0
		for range 2000 {
			_, _ = group.Fork(&g, func() (int, error) { return 7, nil }).Get()
			if g.WaitContext(done) != nil {
				stuck++
			}
		}
		require.LessOrEqual(t, stuck, 5, "a busy machine may not let a worker run for 7 ms")
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
}

// A panic that a task has from Get, and panics with again, is a panic of that task: of its future
// and of its group.
func TestAPanicFromGetThatATaskRaisesAgainCrashes(t *testing.T) {
	fail := func(g *group.Group) *core.Future[int] {
		return group.Fork(g, func() (int, error) { panic("boom") })
	}
	again := func(g *group.Group, f *core.Future[int]) *core.Future[int] {
		return group.Fork(g, func() (int, error) { return f.Get() })
	}
	for name, c := range map[string]struct {
		use  func(g, other *group.Group)
		told bool
	}{
		"in the same group, for which nobody waits":     {func(g, _ *group.Group) { <-again(g, fail(g)).Done() }, false},
		"in another group, for which nobody waits":      {func(g, other *group.Group) { <-again(other, fail(g)).Done() }, false},
		"in another group, whose Wait raises it":        {func(g, other *group.Group) { again(other, fail(g)); caught(other.Wait) }, true},
		"in another group, whose future's Get does too": {func(g, other *group.Group) { f := again(other, fail(g)); caught(func() { _, _ = f.Get() }) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inside, output, err := child.Run(t)
			switch {
			case inside:
				child.Unseen(func() (collected func() bool) {
					g, other := new(group.Group), new(group.Group)
					c.use(g, other)
					return child.Cleanup(other)
				}(), c.told)
			case c.told:
				require.NoError(t, err, output)
			default:
				child.Panicked(t, output, err, "panic: boom", "group_test.TestAPanicFromGetThatATaskRaisesAgainCrashes.func")
			}
		})
	}
}
