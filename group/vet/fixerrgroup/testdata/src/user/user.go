package user

import (
	"exported"

	"golang.org/x/sync/errgroup" // want `golang.org/x/sync/errgroup is not replaced: .* belongs to another package, and its type contains a Group`
)

func use() error {
	var g errgroup.Group
	exported.Start(&g, 1)
	return g.Wait()
}
