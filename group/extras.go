package group

import "github.com/coterie-go/coterie/core"

// extras are what few engines need. The engine's mu guards room and running.
type extras[T Job] struct {
	settings *settings // nil: all defaults
	failures Failures
	room     room[T]
	running  core.Guarded[*running] // the named tasks that run
}

func newExtras[T Job]() *extras[T] {
	x := new(extras[T])
	x.room.limit.Store(noLimit)
	return x
}
