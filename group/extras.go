package group

import "github.com/coterie-go/coterie/core"

// extras are what few engines need. The engine's mu guards room and running.
type extras struct {
	settings *settings // nil: all defaults
	failures Failures
	room     room
	running  core.Guarded[*running] // the named tasks that run
}
