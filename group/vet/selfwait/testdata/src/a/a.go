package a

import (
	"context"
	"sync"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
	concpool "github.com/sourcegraph/conc/pool"
	xerrgroup "golang.org/x/sync/errgroup"
)

var ctx context.Context

func work()       {}
func fail() error { return nil }

type server struct {
	wg sync.WaitGroup
	g  xerrgroup.Group
}

func (s *server) serve() {
	s.wg.Wait() // want `Wait in a task of s.wg: the task waits for itself and never ends; wait where the tasks were started .*docs/guide/limits.md`
}

func waits(s *server) {
	s.wg.Go(s.serve)
	s.wg.Go(func() { s.wg.Wait() }) // want `Wait in a task of s.wg`
	s.wg.Go(func() {
		defer s.wg.Wait() // want `Wait in a task of s.wg`
		work()
	})
	var g group.Group
	g.Go(func() {
		_ = g.WaitContext(ctx) // want `WaitContext in a task of g: the call panics, because the task would wait for itself`
		func() { g.Wait() }()  // want `Wait in a task of g: the task waits for itself and never ends`
	})
	p := pool.New(2, pool.Options{})
	p.Go(func() {
		p.Close() // want `Close in a task of p: the call panics, because the task would wait for itself`
	})
	b := p.Batch(ctx)
	_ = b.GoContext(ctx, func(context.Context) { b.Wait() }) // want `Wait in a task of b`
	_ = errgroup.Run(ctx, func(ctx context.Context, g *errgroup.Group) error {
		g.Go(func() error { return g.Wait() }) // want `Wait in a task of g`
		return nil
	})
}

func counted() {
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		wg.Wait() // want `Wait in a goroutine that wg counts, before its Done: the goroutine waits for itself`
	}()
	wg.Wait()
}

func limited() {
	var g xerrgroup.Group
	g.SetLimit(4)
	g.Go(func() error {
		g.Go(fail) // want `Go in a task of g, which has a limit: if all running tasks wait here for room, all hang; use TryGo and call the function directly`
		return nil
	})
	h := group.New(group.Options{Limit: 2})
	h.Go(func() {
		h.Go(work)                                         // want `Go in a task of h, which has a limit: .*use GoContext with the context that the task was given`
		_ = h.GoContext(ctx, func(ctx context.Context) {}) // want `GoContext in a task of h`
	})
	c := concpool.New().WithMaxGoroutines(3)
	c.Go(func() { c.Go(work) }) // want `Go in a task of c, which has a limit`
	group.RunWith(group.Options{Limit: 1}, func(g *group.Group) {
		g.Go(func() { g.Go(work) }) // want `Go in a task of g, which has a limit`
	})
}

func crawl(g *errgroup.Group, depth int) error {
	if depth > 0 {
		g.Go(func() error { return crawl(g, depth-1) }) // want `Go in a task of g, which has a limit`
	}
	return nil
}

func crawlAll(ctx context.Context) error {
	g, _ := errgroup.New(ctx, errgroup.Options{Limit: 8})
	g.Go(func() error { return crawl(g, 3) })
	return g.Wait()
}

// What follows is right.

func outside(s *server) {
	s.wg.Go(work)
	s.wg.Wait()
	var g, h group.Group
	g.Go(func() { h.Wait() }) // another
	g.Go(func() {
		var g group.Group
		g.Go(work)
		g.Wait()
	})
	g.Go(func() {
		go func() { g.Wait() }() // waits for the task, and not in it
	})
	g.Wait()
}

func unlimited() {
	var g xerrgroup.Group
	g.SetLimit(-1)
	g.Go(func() error { g.Go(fail); return nil })
	var h group.Group
	h.Go(func() { h.Go(work) })
	group.RunWith(group.Options{Name: "all", Limit: 0}, func(g *group.Group) {
		g.Go(func() { g.Go(work) })
	})
}

func tries() {
	g := group.New(group.Options{Limit: 2})
	g.Go(func() {
		if !g.TryGo(work) {
			work()
		}
	})
	_ = g.GoContext(ctx, func(ctx context.Context) {
		_ = g.GoContext(ctx, func(ctx context.Context) {})
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		_ = g.GoContext(inner, func(ctx context.Context) {})
	})
	other := group.New(group.Options{Limit: 2})
	g.Go(func() { other.Go(work) })
}

func closer() {
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Add(1)
	go func() {
		defer wg.Done()
		work()
	}()
	go func() {
		wg.Wait()
		close(done)
	}()
	wg.Add(1)
	go func() {
		wg.Done()
		wg.Wait() // for the others
	}()
	wg.Add(1)
	go func() {
		defer wg.Wait() // runs after Done
		defer wg.Done()
		work()
	}()
}

func nested(p *pool.Pool, ctx context.Context, depth int) {
	b := p.Batch(ctx) // each call has its own
	_ = b.GoContext(ctx, func(ctx context.Context) {
		if depth > 0 {
			nested(p, ctx, depth-1)
		}
	})
	b.Wait()
}

type owns struct{ sync.WaitGroup }

func two(a, b *owns) {
	a.Go(func() { b.Wait() })
	a.Go(func() { a.Done() })
}

func afterwards() {
	g := group.New(group.Options{Limit: 1})
	var late func()
	g.Go(func() { late = func() { g.Go(work) } }) // called when the task has ended
	g.Wait()
	late()
}
