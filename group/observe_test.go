package group_test

import (
	"context"
	"errors"
	"fmt"
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

// A recorder is an observer that keeps the events of tasks whose path begins with a prefix.
type recorder struct {
	mu     sync.Mutex
	prefix string
	kinds  []string
	events []group.Event
}

func (r *recorder) observe() (stop func()) {
	keep := func(kind string) func(group.Event) {
		return func(e group.Event) {
			if !strings.HasPrefix(e.Path, r.prefix) {
				return
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.kinds = append(r.kinds, kind+" "+e.Path)
			r.events = append(r.events, e)
		}
	}
	return group.Observe(&group.Observer{Queued: keep("queued"), Started: keep("started"), Ended: keep("ended")})
}

func (r *recorder) last() group.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[len(r.events)-1]
}

func TestObserve(t *testing.T) {
	t.Run("a task is queued, begins and ends, with times", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := recorder{prefix: "times"}
			defer r.observe()()
			g := group.New(group.Options{Name: "times", Limit: 1})
			g.GoNamed("a", func() { time.Sleep(time.Second) })
			g.GoNamed("b", func() { time.Sleep(2 * time.Second) })
			g.Wait()
			require.Equal(t, []string{
				"queued times/a", "queued times/b", "started times/a", "ended times/a", "started times/b", "ended times/b",
			}, sortedStart(r.kinds))
			e := r.last()
			require.Equal(t, time.Second, e.Waited)
			require.Equal(t, 2*time.Second, e.Ran)
			require.NotZero(t, e.Owner)
			require.NotZero(t, e.Task)
			require.Equal(t, group.Event{Path: "times/b", Owner: e.Owner, Task: e.Task, Waited: time.Second, Ran: 2 * time.Second}, e)
		})
	})

	t.Run("tasks with a context, and of an owner without a name", func(t *testing.T) {
		r := recorder{prefix: "named"}
		defer r.observe()()
		var g group.Group
		g.Go(func() {})
		g.GoNamed("named/alone", func() {})
		g.Wait()
		require.Zero(t, r.last().Owner)
		inner := group.New(group.Options{Name: "named"})
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, inner.GoContext(ctx, func(ctx context.Context) {
			require.Equal(t, "named", group.Path(ctx))
			cancel()
		}))
		inner.Wait()
		require.True(t, r.last().Cancelled)
		require.NoError(t, r.last().Err)
		require.Len(t, r.kinds, 6)
	})

	t.Run("a panic and a Goexit", func(t *testing.T) {
		r := recorder{prefix: "ends"}
		defer r.observe()()
		var caught *core.PanicError
		g := group.New(group.Options{Name: "ends", Panics: core.Capture, OnPanic: func(p *core.PanicError) { caught = p }})
		g.Go(func() { panic("boom") })
		g.Wait()
		require.Equal(t, "boom", r.last().Panic.Value)
		require.Same(t, caught, r.last().Panic)
		require.NoError(t, r.last().Err)
		require.NoError(t, g.GoContext(t.Context(), func(context.Context) { panic("again") }))
		g.Wait()
		require.Equal(t, "again", r.last().Panic.Value)
		g = group.New(group.Options{Name: "ends"})
		g.Go(runtime.Goexit)
		waitExits(t, g)
		require.ErrorIs(t, r.last().Err, core.ErrGoexit)
		require.Nil(t, r.last().Panic)
		require.Len(t, r.kinds, 9)
	})

	t.Run("an observer that calls Goexit loses no task, panic or result", func(t *testing.T) {
		defer group.Observe(&group.Observer{Ended: func(e group.Event) {
			if e.Path == "exits" {
				runtime.Goexit()
			}
		}})()
		for _, policy := range []core.PanicPolicy{core.Propagate, core.Capture} {
			panics := 0
			opts := group.Options{Name: "exits", Panics: policy}
			if policy == core.Capture {
				opts.OnPanic = func(*core.PanicError) { panics++ }
			}
			g := group.New(opts)
			future := group.Fork(g, func() (int, error) { return 1, nil })
			waitExits(t, g)
			n, err := future.Get()
			require.NoError(t, err)
			require.Equal(t, 1, n)
			future = group.Fork(g, func() (int, error) { panic("boom") })
			if caught(g.Wait) != nil {
				panics++
			}
			require.Equal(t, 1, panics)
			require.Equal(t, "boom", caught(func() { _, _ = future.Get() }).(*core.PanicError).Value)
		}
	})

	t.Run("a task that does not run ends", func(t *testing.T) {
		r := recorder{prefix: "full"}
		defer r.observe()()
		began, release := make(chan struct{}), make(chan struct{})
		g := group.New(group.Options{Name: "full", Limit: 1})
		g.Go(func() { close(began); <-release })
		<-began
		require.False(t, g.TryGo(func() {}))
		require.Equal(t, "ended full", r.kinds[len(r.kinds)-1])
		require.True(t, r.last().Cancelled)
		require.EqualError(t, r.last().Err, "full")
		reason := errors.New("too late")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(reason)
		require.ErrorIs(t, g.GoContext(ctx, func(context.Context) {}), reason)
		require.ErrorIs(t, r.last().Err, reason)
		close(release)
		g.Wait()
	})

	for _, sem := range []*core.Semaphore{nil, core.NewSemaphore(1)} {
		t.Run(fmt.Sprintf("a task that an ended scope refuses ends, with a semaphore: %t", sem != nil), func(t *testing.T) {
			r := recorder{prefix: "gone"}
			defer r.observe()()
			var g *group.Group
			group.RunWith(group.Options{Name: "gone", Semaphore: sem}, func(inner *group.Group) { g = inner }) //coterie:escapes that the scope has ended is the point
			for i, start := range []func(){
				func() { g.Go(func() {}) },
				func() { g.GoNamed("", func() {}) },
				func() { group.Fork(g, func() (int, error) { return 0, nil }) },
				func() { g.TryGo(func() {}) },
				func() { _ = g.GoContext(t.Context(), func(context.Context) {}) },
				func() { g.Background(t.Context(), func(context.Context) {}) },
			} {
				require.NotNil(t, caught(start))
				require.Len(t, r.kinds, 2*i+2)
				require.Equal(t, "ended gone", r.kinds[2*i+1])
				require.True(t, r.last().Cancelled)
				require.Error(t, r.last().Err)
			}
		})

		t.Run(fmt.Sprintf("the task of a Go that panics in a deadlock ends, with a semaphore: %t", sem != nil), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := recorder{prefix: "stuck/inner"}
				defer r.observe()()
				opts := group.Options{Name: "stuck", Semaphore: sem}
				if sem == nil {
					opts.Limit = 1
				}
				g := group.New(opts)
				g.Go(func() { g.GoNamed("inner", func() { t.Error("ran") }) })
				p := caught(g.Wait).(*core.PanicError)
				require.Equal(t, []string{"queued stuck/inner", "ended stuck/inner"}, r.kinds)
				e := r.last()
				require.EqualError(t, e.Err, p.Value.(string))
				require.True(t, e.Cancelled)
				require.GreaterOrEqual(t, e.Waited, time.Second)
			})
		})
	}

	t.Run("several observe, and stop is final", func(t *testing.T) {
		a, b := recorder{prefix: "several"}, recorder{prefix: "several"}
		stopA, stopB := a.observe(), b.observe()
		g := group.New(group.Options{Name: "several"})
		release := make(chan struct{})
		g.Go(func() { <-release })
		stopB()
		stopB()
		close(release)
		g.Wait()
		stopA()
		g.Go(func() {})
		g.Wait()
		require.Equal(t, []string{"queued several", "started several", "ended several"}, a.kinds)
		require.NotContains(t, b.kinds, "ended several")
	})

	t.Run("stop waits for the calls that are under way", func(t *testing.T) {
		called, release := make(chan struct{}), make(chan struct{})
		n := 0
		stop := group.Observe(&group.Observer{Ended: func(e group.Event) {
			if e.Path == "slow" {
				close(called)
				<-release
				n++
			}
		}})
		g := group.New(group.Options{Name: "slow"})
		g.Go(func() {})
		<-called
		go close(release)
		stop()
		require.Equal(t, 1, n)
		g.Wait()
	})

	t.Run("nil panics", func(t *testing.T) {
		require.PanicsWithValue(t, "group: nil observer", func() { group.Observe(nil) })
		require.PanicsWithValue(t, "group: nil context", func() { group.Path(nil) })
		group.Observe(&group.Observer{})()
	})
}

// sortedStart moves the second task's Queued before the first one's Started: its submitter may be
// behind.
func sortedStart(kinds []string) []string {
	if len(kinds) > 2 && kinds[1][0] == 's' {
		kinds[1], kinds[2] = kinds[2], kinds[1]
	}
	return kinds
}

func waitExits(t *testing.T, g *group.Group) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.Wait()
		t.Error("Wait did not call Goexit")
	}()
	<-ended
}
