package a

import (
	"context"

	"github.com/coterie-go/coterie/pool"
)

func get(context.Context) (int, error) { return 0, nil }

func without(ctx context.Context, p *pool.Pool) {
	p.Go(func() {
		b := p.Batch(ctx) // want `this is not the context of the task, so the task keeps its worker while it waits: if all workers wait like this, the pool hangs; start the task with GoContext or Submit, and use its context here .*docs/guide/limits.md`
		b.Wait()
	})
	_ = p.GoContext(ctx, func(inner context.Context) {
		b := p.Batch(ctx) // want `this is not the context of the task, .*use inner here`
		b.Wait()
		_, _ = pool.Submit(context.Background(), p, get) // want `this is not the context of the task`
	})
}

// What follows is right.

func with(ctx context.Context, p, q *pool.Pool) {
	_ = p.GoContext(ctx, func(inner context.Context) {
		b := p.Batch(inner)
		b.Wait()
		_, _ = pool.Submit(inner, p, get)
		bound, cancel := context.WithCancel(inner)
		defer cancel()
		_, _ = pool.Submit(bound, p, get)
		q.Batch(ctx).Wait() // another pool
		go func() { p.Batch(ctx).Wait() }()
	})
	_, _ = pool.Submit(ctx, p, func(ctx context.Context) (int, error) {
		b := p.Batch(ctx)
		b.Wait()
		return 0, nil
	})
	b := p.Batch(ctx)
	b.Wait()
}
