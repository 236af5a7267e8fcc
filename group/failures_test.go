package group_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// raiseHere is looked for in stacks.
//
//go:noinline
func raiseHere(v any) { panic(v) }

// deep calls f on a stack of so many frames.
//
//go:noinline
func deep(frames int, f func()) {
	if frames > 0 {
		deep(frames-1, f)
		return
	}
	f()
}

type typedError struct{ text string }

func (e *typedError) Error() string { return e.text }

func TestPropagate(t *testing.T) {
	t.Run("the value is reachable through two nested groups and its stack is there once", func(t *testing.T) {
		boom := errors.New("boom")
		var outer, inner group.Group
		outer.Go(func() {
			inner.Go(func() { raiseHere(boom) })
			inner.Wait()
		})
		p, ok := caught(outer.Wait).(*core.PanicError)
		require.True(t, ok)
		require.ErrorIs(t, p, boom)
		require.Equal(t, 1, strings.Count(p.Error(), "group_test.raiseHere("))
		require.Contains(t, string(p.Stack), "group_test.raiseHere(")
	})

	t.Run("further panics are the others, and nothing is left for the next round", func(t *testing.T) {
		var g group.Group
		for i := range 3 {
			started := make(chan struct{})
			g.Go(func() { defer close(started); raiseHere(i) })
			<-started
			for g.Running() > 0 {
				runtime.Gosched()
			}
		}
		p := caught(g.Wait).(*core.PanicError)
		require.Equal(t, 0, p.Value)
		require.Len(t, p.Others, 2)
		require.Equal(t, 1, p.Others[0].Value)
		require.Equal(t, 2, p.Others[1].Value)
		require.Equal(t, 3, strings.Count(p.Error(), "group_test.raiseHere("))
		g.Go(func() {})
		g.Wait()
	})

	t.Run("others of a nested group are listed too", func(t *testing.T) {
		var outer, inner group.Group
		for range 3 {
			inner.Go(func() { raiseHere("inner") })
		}
		for inner.Running() > 0 {
			runtime.Gosched()
		}
		outer.Go(inner.Wait)
		for outer.Running() > 0 {
			runtime.Gosched()
		}
		outer.Go(func() { raiseHere("outer") })
		p := caught(outer.Wait).(*core.PanicError)
		require.Len(t, p.Others, 3)
		require.Equal(t, 4, strings.Count(p.Error(), "group_test.raiseHere("))
	})

	t.Run("others of a nested group that are others here, too, are told of once", func(t *testing.T) {
		var outer, inner group.Group
		raise := func(g *group.Group, values ...string) {
			for _, value := range values {
				g.Go(func() { panic(value) })
				for g.Running() > 0 {
					runtime.Gosched()
				}
			}
		}
		raise(&outer, "first")
		raise(&inner, "second", "third")
		nested := caught(inner.Wait).(*core.PanicError)
		outer.Go(func() { panic(nested) })
		p := caught(outer.Wait).(*core.PanicError)
		require.Len(t, p.Others, 2)
		require.Equal(t, "second", p.Others[0].Value)
		require.Equal(t, "third", p.Others[1].Value)
		require.Equal(t, 1, strings.Count(p.Error(), ": third"))
		require.Len(t, nested.Others, 1, "who caught it still has it whole")
	})

	t.Run("a panic error without a stack is told of once", func(t *testing.T) {
		var g group.Group
		g.Go(func() { panic(&core.PanicError{Value: "made by hand"}) })
		for g.Running() > 0 {
			runtime.Gosched()
		}
		g.Go(func() { panic("second") })
		p := caught(g.Wait).(*core.PanicError)
		require.Equal(t, "made by hand", p.Value)
		require.Len(t, p.Others, 1)
		require.Equal(t, "second", p.Others[0].Value)
	})

	t.Run("panic of nil", func(t *testing.T) {
		var g group.Group
		g.Go(func() { panic(nil) })
		require.IsType(t, new(runtime.PanicNilError), caught(g.Wait).(*core.PanicError).Value)
	})

	t.Run("panic with a typed nil error", func(t *testing.T) {
		var g group.Group
		var none *typedError
		g.Go(func() { panic(error(none)) })
		p := caught(g.Wait).(*core.PanicError)
		require.True(t, p.Value == error(none))
		require.NotEmpty(t, p.Error())
	})

	t.Run("goexit of a task ends the goroutine that waits", func(t *testing.T) {
		var g group.Group
		g.Go(runtime.Goexit)
		require.True(t, exited(g.Wait))
		require.False(t, exited(g.Wait))
	})

	t.Run("a panic comes before a goexit", func(t *testing.T) {
		var g group.Group
		g.Go(runtime.Goexit)
		g.Go(func() { panic("boom") })
		require.Equal(t, "boom", caught(g.Wait).(*core.PanicError).Value)
	})

	t.Run("goexit in a deferred call while panicking is a goexit", func(t *testing.T) {
		var g group.Group
		g.Go(func() {
			defer runtime.Goexit()
			panic("given up")
		})
		require.True(t, exited(g.Wait))
	})

	t.Run("whoever waits already gets the panic, and nobody later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group.Group
			release := make(chan struct{})
			g.Go(func() { <-release; panic("boom") })
			g.Go(func() { <-release; panic("boom") })
			var raised atomic.Int32
			for range 3 {
				go func() {
					if p, ok := caught(g.Wait).(*core.PanicError); ok && len(p.Others) == 1 {
						raised.Add(1)
					}
				}()
			}
			synctest.Wait()
			close(release)
			synctest.Wait()
			require.EqualValues(t, 3, raised.Load())
			g.Wait()
		})
	})

	t.Run("whoever waits already gets the panic, also while it looks whose task it runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for i := range 100 {
				var g group.Group
				gate := make(chan struct{})
				g.Go(func() {
					<-gate
					for range i % 50 {
						runtime.Gosched()
					}
					panic("boom")
				})
				first := make(chan any)
				go deep(1000, func() { first <- caught(g.Wait) }) // so that to look takes long
				synctest.Wait()
				go func() {
					close(gate)
					_ = caught(g.Wait)
				}()
				require.NotNil(t, <-first)
			}
		})
	})

	t.Run("siblings run on", func(t *testing.T) {
		var g group.Group
		ran := false
		g.Go(func() { panic("boom") })
		g.Go(func() { ran = true })
		require.NotNil(t, caught(g.Wait))
		require.True(t, ran)
	})
}

func TestCapture(t *testing.T) {
	t.Run("a panic is handed to OnPanic and not raised", func(t *testing.T) {
		var got atomic.Pointer[core.PanicError]
		g := group.New(group.Options{Panics: core.Capture, OnPanic: func(p *core.PanicError) { got.Store(p) }})
		g.Go(func() { raiseHere("boom") })
		g.Wait()
		require.Equal(t, "boom", got.Load().Value)
		require.Contains(t, string(got.Load().Stack), "raiseHere")
	})

	t.Run("a goexit is not a panic", func(t *testing.T) {
		g := group.New(group.Options{Panics: core.Capture, OnPanic: func(*core.PanicError) { t.Error("called") }})
		g.Go(runtime.Goexit)
		require.True(t, exited(g.Wait))
	})

	t.Run("a task whose OnPanic calls goexit has ended", func(t *testing.T) {
		g := group.New(group.Options{Limit: 1, Panics: core.Capture, OnPanic: func(*core.PanicError) { runtime.Goexit() }})
		for range 10 {
			g.Go(func() { panic("boom") })
		}
		g.Wait()
		require.Zero(t, g.Running())
		require.True(t, g.TryGo(func() {}), "there is room")
		g.Wait()
	})

	t.Run("OnPanic may start another task on the place of the task", func(t *testing.T) {
		var g *group.Group
		var ctx context.Context
		again := false
		g = group.New(group.Options{Limit: 1, Panics: core.Capture, OnPanic: func(*core.PanicError) {
			require.NoError(t, g.GoContext(ctx, func(context.Context) { again = true }))
		}})
		require.NoError(t, g.GoContext(t.Context(), func(own context.Context) {
			ctx = own
			panic("boom")
		}))
		g.Wait()
		require.True(t, again)
		require.NoError(t, g.GoContext(ctx, func(context.Context) { again = false }), "the task has ended")
		g.Wait()
		require.False(t, again)
	})
}

// A panic has the path of its task, however the task was started and wherever the panic arrives.
func TestPanicHasThePath(t *testing.T) {
	boom := func() { panic("boom") }
	for name, c := range map[string]struct {
		start func(g *group.Group)
		text  string
	}{
		"Go":            {func(g *group.Group) { g.Go(boom) }, "panic in ingest: boom"},
		"TryGo":         {func(g *group.Group) { g.TryGo(boom) }, "panic in ingest: boom"},
		"GoNamed":       {func(g *group.Group) { g.GoNamed("fetch", boom) }, "panic in ingest/fetch: boom"},
		"not printable": {func(g *group.Group) { g.GoNamed("a\nb", boom) }, `panic in "ingest/a\nb": boom`},
		"GoContext": {func(g *group.Group) {
			_ = g.GoContext(t.Context(), func(context.Context) { boom() })
		}, "panic in ingest: boom"},
		"Background": {func(g *group.Group) {
			g.Background(t.Context(), func(context.Context) { boom() })
		}, "panic in ingest: boom"},
		"Fork": {func(g *group.Group) {
			group.Fork(g, func() (int, error) { boom(); return 0, nil })
		}, "panic in ingest: boom"},
		"a task of a group without a name in a task": {func(g *group.Group) {
			g.GoNamed("fetch", func() { group.Run(func(inner *group.Group) { inner.Go(boom) }) })
		}, "panic in ingest/fetch: boom"},
		"a task of another group in a task": {func(g *group.Group) {
			_ = g.GoContext(t.Context(), func(ctx context.Context) {
				inner := group.New(group.Options{Name: "fetch"})
				_ = inner.GoContext(ctx, func(context.Context) { boom() })
				inner.Wait()
			})
		}, "panic in ingest/fetch: boom"},
	} {
		for _, limit := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, limit %d", name, limit), func(t *testing.T) {
				g := group.New(group.Options{Name: "ingest", Limit: limit})
				c.start(g)
				p := caught(g.Wait).(*core.PanicError)
				require.True(t, strings.HasPrefix(p.Error(), strings.TrimPrefix(c.text, "panic in ")+"\n\n"), p.Error())
				var got *core.PanicError
				g = group.New(group.Options{Name: "ingest", Limit: limit, Panics: core.Capture, OnPanic: func(p *core.PanicError) { got = p }})
				c.start(g)
				g.Wait()
				require.EqualError(t, got, c.text)
			})
		}
	}

	t.Run("from Get", func(t *testing.T) {
		g := group.New(group.Options{Name: "ingest"})
		f := group.Fork(g, func() (int, error) { boom(); return 0, nil })
		require.Equal(t, "ingest", caught(func() { _, _ = f.Get() }).(*core.PanicError).Task)
		caught(g.Wait)
	})

	t.Run("a group without a name has none", func(t *testing.T) {
		var g group.Group
		g.Go(boom)
		require.Empty(t, caught(g.Wait).(*core.PanicError).Task)
		g.GoNamed("fetch", boom)
		require.Equal(t, "fetch", caught(g.Wait).(*core.PanicError).Task)
	})
}
