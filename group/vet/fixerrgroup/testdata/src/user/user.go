package user

import (
	"exported"

	"golang.org/x/sync/errgroup" // want `golang.org/x/sync/errgroup is left here: .* of another package has a Group in its type`
)

func use() error {
	var g errgroup.Group
	exported.Start(&g, 1)
	return g.Wait()
}
