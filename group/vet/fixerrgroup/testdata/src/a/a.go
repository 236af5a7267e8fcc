package a

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup" // want `coterie's errgroup can replace golang.org/x/sync/errgroup: it has the same methods, and its Wait raises the panics of tasks .*docs/migrate/xsync.md`
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
