package remote

import (
	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// This file has everything that depends on where futures live.

type future[T any] = core.Future[T]

// promise returns the future of what wait returns, which runs as a task of g.
func promise[T any](g *group.Group, wait func() (T, error)) *future[T] {
	return group.Fork(g, wait)
}
