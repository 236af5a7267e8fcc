package both

import (
	"github.com/coterie-go/coterie/errgroup"
	xerrgroup "golang.org/x/sync/errgroup" // want `golang.org/x/sync/errgroup is not replaced: the package imports coterie's errgroup, too`
)

func use() error {
	var g errgroup.Group
	var h xerrgroup.Group
	_ = h.Wait()
	return g.Wait()
}
