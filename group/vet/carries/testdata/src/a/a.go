package a

import (
	"context"
	"runtime"
	"runtime/pprof"
	"sync"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func lock() { runtime.LockOSThread() } // want `LockOSThread changes the goroutine`

func marks(ctx context.Context, p *pool.Pool) {
	var g group.Group
	g.Go(func() {
		runtime.LockOSThread() // want `LockOSThread changes the goroutine, which runs other tasks later: undo the change before the task ends, or set Options.Isolate of the owner .*docs/guide/limits.md`
	})
	p.Go(lock)
	g.Go(func() {
		pprof.SetGoroutineLabels(ctx) // want `SetGoroutineLabels changes the goroutine`
	})
	g.Wait()
}

// What follows is right.

func undone(ctx context.Context) {
	var g group.Group
	g.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	})
	g.Go(func() {
		pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("a", "b")))
		defer pprof.SetGoroutineLabels(ctx)
	})
	g.Go(func() {
		pprof.Do(ctx, pprof.Labels("a", "b"), func(context.Context) {})
	})
	g.Wait()
	runtime.LockOSThread()
}

func isolated() {
	g := group.New(group.Options{Isolate: true})
	g.Go(func() { runtime.LockOSThread() })
	g.Wait()
	group.RunWith(group.Options{Isolate: true}, func(g *group.Group) {
		g.Go(func() { runtime.LockOSThread() })
	})
	var wg sync.WaitGroup
	wg.Go(func() { runtime.LockOSThread() })
	go func() { runtime.LockOSThread() }()
	wg.Wait()
}

func ownGoroutine(ctx context.Context, p *pool.Pool) {
	p.Go(func() {
		go lockAndLeave()
		go func() { pprof.SetGoroutineLabels(ctx) }()
	})
}

func lockAndLeave() { runtime.LockOSThread() }

func notInATask(ctx context.Context) {
	runtime.LockOSThread()
	pprof.SetGoroutineLabels(ctx)
	group.Run(func(g *group.Group) {
		runtime.LockOSThread() // in the goroutine of Run's caller
		g.Go(func() { runtime.GC() })
	})
}
