package exported

import "golang.org/x/sync/errgroup" // want `golang.org/x/sync/errgroup is not replaced: .* is exported, and its type contains a Group`

type Server struct{ Group *errgroup.Group }

func Start(g *errgroup.Group, n int) { g.SetLimit(n) }
