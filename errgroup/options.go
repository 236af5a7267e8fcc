package errgroup

import (
	"fmt"

	"github.com/coterie-go/coterie/core"
)

// Options are the settings of a [Group]. [docs/guide/numbers.md] lists what 0 means in each option
// and setter.
//
// [docs/guide/numbers.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/numbers.md
type Options struct {
	// Name stands in stuck reports and in the errors of named tasks. The group's tasks have it as
	// the value of the pprof label "coterie".
	Name string
	// Limit is how many tasks may run at once; 0 means no limit.
	Limit int
	// Semaphore, if not nil, is a limit shared with other owners: each task holds one of its
	// permits.
	Semaphore *core.Semaphore
	// Isolate gives each task a goroutine of its own. It is for code that leaves settings on its
	// goroutine; see [Group.Go]. A task then costs about as much as a go statement.
	Isolate bool
	// Panics selects what happens when a task panics. Under [core.Propagate], the default, the
	// context is cancelled at once, and Wait raises the panic. Under [core.Crash] the panic ends
	// the process. Under [core.Capture] the task's error is the *[core.PanicError], or
	// [core.ErrGoexit] if the task called Goexit.
	Panics core.PanicPolicy
	// With Collect, Wait returns the errors of all tasks, and an error cancels nothing. Each task
	// takes some 20 bytes for that, until it and the tasks that were started with it have ended.
	Collect bool
	// MaxErrors is how many errors Collect keeps: those of the tasks that were started first. The
	// text of Wait's error has the number of the others. 0 keeps all. New panics if MaxErrors is
	// not 0 and Collect is not set.
	MaxErrors int
}

func (o *Options) check() {
	if o.Limit < 0 {
		panic(fmt.Sprintf("errgroup: negative limit, got %d", o.Limit))
	}
	if o.Panics < core.Propagate || o.Panics > core.Capture {
		panic(fmt.Sprintf("errgroup: unknown panic policy, got %d", o.Panics))
	}
	if o.MaxErrors < 0 {
		panic(fmt.Sprintf("errgroup: negative MaxErrors, got %d", o.MaxErrors))
	}
	if o.MaxErrors > 0 && !o.Collect {
		panic(fmt.Sprintf("errgroup: MaxErrors without Collect, got %d", o.MaxErrors))
	}
}
