package left

import (
	"context"

	"github.com/coterie-go/coterie/errgroup"
	xerrgroup "golang.org/x/sync/errgroup"
)

func fetch(context.Context, ...string) error { return nil }
func work(...any)                            {}
func open() (int, error)                     { return 0, nil }
func pass(g *errgroup.Group)                 {}

func early(ctx context.Context, urls []string) error {
	g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: a statement before Wait returns`
	for _, url := range urls {
		if url == "" {
			return nil
		}
		g.Go(func() error { return fetch(ctx, url) })
	}
	return g.Wait()
}

func defers(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: a deferred call would run earlier`
	defer work()
	g.Go(func() error { return fetch(ctx) })
	return g.Wait()
}

func later(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: gctx is used after Wait`
	g.Go(func() error { return fetch(gctx) })
	err := g.Wait()
	work(gctx.Err())
	return err
}

func redeclared(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: ctx is used after Wait`
	g.Go(func() error { return fetch(ctx) })
	if err := g.Wait(); err != nil {
		return err
	}
	return fetch(ctx) // with a context that is cancelled
}

func closure(ctx context.Context) error {
	defer func() { work(ctx) }()
	g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: ctx is declared before WithContext and used elsewhere`
	g.Go(func() error { return fetch(ctx) })
	return g.Wait()
}

func declares(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: results is declared before Wait and used after it`
	results := make([]string, 3)
	g.Go(func() error { return fetch(ctx, results...) })
	if err := g.Wait(); err != nil {
		return err
	}
	work(results)
	return nil
}

func shadows(ctx context.Context) error {
	n, err := open()
	g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: err is assigned with :=, which would declare a new variable in the function of Run`
	m, err := open()
	g.Go(func() error { return fetch(ctx) })
	work(n, m, err)
	return g.Wait()
}

func passes(ctx context.Context) error {
	g, _ := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: g is used for more than starting tasks`
	pass(g)
	return g.Wait()
}

func twice(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: g is used for more`
	g.Go(func() error { return fetch(ctx) })
	_ = g.Wait()
	return g.Wait()
}

func jumps(ctx context.Context) error {
	for range 3 {
		g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: a statement before Wait jumps out of the body`
		g.Go(func() error { return fetch(ctx) })
		if ctx.Err() != nil {
			continue
		}
		_ = g.Wait()
	}
	return nil
}

func recovers(ctx context.Context) {
	g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: recover works only in a deferred function`
	g.Go(func() error { return fetch(ctx) })
	work(recover())
	_ = g.Wait()
}

func labelled(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx) // want `g is not rewritten to errgroup.Run: a statement before Wait has a label`
outer:
	for range 3 {
		for range 3 {
			g.Go(func() error { return fetch(ctx) })
			continue outer
		}
	}
	return g.Wait()
}

// What follows is none of its business.

func several(ctx context.Context) (int, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return fetch(ctx) })
	return 1, g.Wait()
}

func nested(ctx context.Context) (err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return fetch(ctx) })
	if ctx != nil {
		err = g.Wait()
	}
	return err
}

func other(ctx context.Context) error {
	g, ctx := xerrgroup.WithContext(ctx)
	g.Go(func() error { return fetch(ctx) })
	return g.Wait()
}

func nothing(ctx context.Context) error {
	g, _ := errgroup.WithContext(ctx)
	return g.Wait()
}
