package a

import eg "golang.org/x/sync/errgroup" // the second file

func second(g *eg.Group) { g.Go(func() error { return nil }) }
