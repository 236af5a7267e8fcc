package a

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup" // want `golang.org/x/sync/errgroup can be coterie's errgroup, which has the same calls and raises panics in Wait .*docs/migrate/xsync.md`
	"golang.org/x/sync/semaphore"
)

type server struct{ g *errgroup.Group }

func Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(3)
	g.Go(func() error { return ctx.Err() })
	s := server{g}
	fmt.Println(s.wait(), semaphore.NewWeighted(1))
	return g.Wait()
}

func (s *server) wait() error { return s.g.Wait() }
