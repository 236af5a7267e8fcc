package a

import (
	"context"
	"iter"
	"log"
	"log/slog"
	"time"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
	xerrgroup "golang.org/x/sync/errgroup"
)

func fetch(context.Context) error { return nil }
func use(...any)                  {}

func outer(ctx context.Context) {
	g, gctx := xerrgroup.WithContext(ctx)
	g.Go(func() error { return fetch(ctx) }) // want `the task uses ctx, from which the context of its group derives: if another task fails, this one is not cancelled, and Wait waits for it; use gctx .*docs/guide/cancellation.md`
	g.Go(func() error {
		select {
		case <-ctx.Done(): // want `the task uses ctx`
		}
		return nil
	})
	use(gctx, g.Wait())

	bound, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	h, hctx := errgroup.WithContext(bound)
	h.Go(func() error { return fetch(bound) }) // want `the task uses bound, .*use hctx`
	h.Go(func() error { return fetch(ctx) })   // want `the task uses ctx, .*use hctx`
	use(hctx, h.Wait())

	_ = errgroup.Run(ctx, func(inner context.Context, g *errgroup.Group) error {
		g.Go(func() error { return fetch(ctx) }) // want `the task uses ctx, .*use inner`
		return nil
	})
	_ = pool.For(ctx, 0, 8, func(inner context.Context, i int) error {
		return fetch(ctx) // want `the task uses ctx, .*use inner`
	})
	_, _ = errgroup.Gather(ctx, func(inner context.Context) (int, error) {
		return 0, fetch(ctx) // want `the task uses ctx, .*use inner`
	})
	var tasks group.Group
	_ = tasks.GoContext(ctx, func(inner context.Context) {
		_ = fetch(ctx) // want `the task uses ctx, .*use inner`
	})
}

// What follows is right.

func shadowed(ctx context.Context) error {
	g, ctx := xerrgroup.WithContext(ctx)
	g.Go(func() error { return fetch(ctx) })
	return g.Wait()
}

func assigned(ctx context.Context) error {
	var g *xerrgroup.Group
	g, ctx = xerrgroup.WithContext(ctx)
	g.Go(func() error { return fetch(ctx) })
	return g.Wait()
}

func inner(ctx, other context.Context) {
	g, gctx := xerrgroup.WithContext(ctx)
	g.Go(func() error { return fetch(gctx) })
	g.Go(func() error { return fetch(other) }) // the group's does not derive from it
	g.Go(func() error {
		<-gctx.Done()
		return fetch(ctx) // both: on purpose
	})
	g.Go(func() error { return fetch(context.WithoutCancel(ctx)) })
	g.Go(func() error {
		log.Println(ctx.Value("user"))
		slog.InfoContext(ctx, "started")
		return nil
	})
	g.Go(func() error {
		ctx := context.Background()
		return fetch(ctx)
	})
	go func() { _ = fetch(ctx) }() // no task of the group
	use(fetch(ctx), g.Wait())
}

func without(ctx context.Context, seq iter.Seq[int]) {
	g, _ := xerrgroup.WithContext(ctx)
	g.Go(func() error { return fetch(ctx) })
	var h xerrgroup.Group
	h.Go(func() error { return fetch(ctx) })
	use(g.Wait(), h.Wait())
	_ = pool.For(ctx, 0, 8, func(_ context.Context, i int) error { return fetch(ctx) })
	_ = pool.Each(ctx, 0, seq, func(ctx context.Context, i int) error { return fetch(ctx) })
}

func made(derive func(context.Context) context.Context, ctx context.Context) error {
	g, gctx := xerrgroup.WithContext(derive(ctx)) // nobody knows from what it derives
	g.Go(func() error { return fetch(ctx) })
	use(gctx)
	return g.Wait()
}

func elsewhere(ctx context.Context) error {
	g, gctx := xerrgroup.WithContext(context.Background())
	g.Go(func() error { return fetch(ctx) })
	use(gctx)
	return g.Wait()
}
