//go:build never

package b

import "golang.org/x/sync/errgroup"

func other(g *errgroup.Group) {}
