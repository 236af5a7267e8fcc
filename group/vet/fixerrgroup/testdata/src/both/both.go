package both

import (
	"github.com/coterie-go/coterie/errgroup"
	xerrgroup "golang.org/x/sync/errgroup" // want `golang.org/x/sync/errgroup is left here: the package uses both`
)

func use() error {
	var g errgroup.Group
	var h xerrgroup.Group
	_ = h.Wait()
	return g.Wait()
}
