package exported

import "golang.org/x/sync/errgroup" // want `golang.org/x/sync/errgroup is left here: .* is exported, and its type has a Group`

type Server struct{ Group *errgroup.Group }

func Start(g *errgroup.Group, n int) { g.SetLimit(n) }
