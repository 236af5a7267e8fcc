package group

import "github.com/coterie-go/coterie/core"

// A function is the Job of a [Group].
type function func()

func (f function) Run() { f() }

func (f function) Aborted(*core.PanicError) bool { return false }
