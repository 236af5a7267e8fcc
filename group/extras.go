package group

import "github.com/coterie-go/coterie/core"

// extras are what few engines need. The engine's mu guards them.
type extras struct {
	room    room
	running core.Guarded[*running] // the named tasks that run
}
