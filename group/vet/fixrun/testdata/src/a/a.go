package a

import (
	"context"
	"fmt"

	"github.com/coterie-go/coterie/errgroup"
)

func fetch(context.Context, ...string) error { return nil }

// returns keeps its comments.
func returns(ctx context.Context, urls []string) error {
	g, ctx := errgroup.WithContext(ctx) // want `g can be the group of errgroup.Run, which always waits .*docs/guide/scopes.md`
	g.SetLimit(3)
	// one for each
	for _, url := range urls {
		if url == "" {
			continue
		}
		g.Go(func() error {
			return fetch(ctx, url) // in the task
		})
	}
	return g.Wait() // all
}

func assigns(ctx context.Context) error {
	var total int
	g, gctx := errgroup.WithContext(ctx) // want `g can be the group`
	g.Go(func() error { return fetch(gctx) })
	total++
	err := g.Wait()
	fmt.Println(total, ctx.Err())
	return err
}

func checks(ctx context.Context) error {
	if true {
		tasks, _ := errgroup.WithContext(context.WithoutCancel(ctx)) // want `tasks can be the group`
		n := 3
		for range n {
			tasks.Go(func() error { return fetch(ctx) })
		}
		if err := tasks.Wait(); err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
	}
	return nil
}

func drops(ctx context.Context, n int) {
	switch n {
	case 1:
		g, ctx := errgroup.WithContext(ctx) // want `g can be the group`
		switch n {
		case 1:
			g.Go(func() error { return fetch(ctx) })
			break
		}
		_ = g.Wait()
	}
}
