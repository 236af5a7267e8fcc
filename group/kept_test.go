package group_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/group"
)

type heavy [1 << 20]byte

func (*heavy) String() string { return "heavy" }

// requireFreed checks that what round makes is collected while the group lives on.
func requireFreed(t *testing.T, g *group.Group, round func(value *heavy)) {
	t.Helper()
	var freed func() bool
	func() {
		value := new(heavy)
		freed = child.Cleanup(value)
		round(value)
	}()
	child.Collect(freed)
	runtime.KeepAlive(g)
}

// heap returns the bytes that are in use.
func heap() int {
	runtime.GC()
	runtime.GC() // what is in a sync.Pool survives one
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// A group keeps nothing of what a round has raised.
func TestKeepsNoPanic(t *testing.T) {
	for name, raise := range map[string]func(g *group.Group, v any){
		"of a task":       func(g *group.Group, v any) { g.Go(func() { panic(v) }) },
		"of a named task": func(g *group.Group, v any) { g.GoNamed("x", func() { panic(v) }) },
		"of a task with a context": func(g *group.Group, v any) {
			_ = g.GoContext(context.Background(), func(context.Context) { panic(v) })
		},
		"of a fork": func(g *group.Group, v any) {
			f := group.Fork(g, func() (int, error) { panic(v) })
			_ = caught(func() { _, _ = f.Get() })
		},
		"beside others": func(g *group.Group, v any) {
			for range 100 {
				g.Go(func() { panic(v) })
			}
		},
		"of a nested group": func(g *group.Group, v any) {
			g.Go(func() { group.Run(func(g *group.Group) { g.Go(func() { panic(v) }) }) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := new(group.Group)
			requireFreed(t, g, func(value *heavy) {
				raise(g, value)
				require.NotNil(t, caught(g.Wait))
			})
			g.Wait()
		})
	}

	t.Run("that it has captured", func(t *testing.T) {
		g := group.New(group.Options{Panics: core.Capture, OnPanic: func(*core.PanicError) {}})
		requireFreed(t, g, func(value *heavy) {
			g.Go(func() { panic(value) })
			g.Wait()
		})
	})
}

// However many tasks panic before somebody waits, a bounded number of panics is kept.
func TestKeepsABoundedNumberOfPanics(t *testing.T) {
	n := child.Many(1000, 10_000)
	var g group.Group
	before := heap()
	for i := range n {
		g.Go(func() {
			if i%100 == 99 {
				runtime.Goexit()
			}
			raiseHere(i)
		})
	}
	for g.Running() > 0 {
		runtime.Gosched()
	}
	if !race.Hidden {
		require.Less(t, heap()-before, 1<<20)
	}
	p := caught(g.Wait).(*core.PanicError)
	require.Len(t, p.Others, 32)
	require.Equal(t, n-n/100-1-32, p.More)
	g.Wait()
}

// A group through which a million tasks have gone at once keeps little.
func TestKeepsLittleOfALongQueue(t *testing.T) {
	n := child.Many(100_000, 1_000_000)
	if race.Hidden {
		n = 20_000
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that they wait
	var g group.Group
	g.Go(func() {})
	g.Wait()
	before := heap()
	var ran atomic.Int64
	f := func() { ran.Add(1) }
	for range n {
		g.Go(f)
	}
	g.Wait()
	require.EqualValues(t, n, ran.Load())
	if !race.Hidden { // each task had a goroutine, and the runtime keeps those
		require.Less(t, heap()-before, 1<<17)
	}
	runtime.KeepAlive(&g)
}
