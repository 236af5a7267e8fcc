package group

import (
	"fmt"

	"github.com/coterie-go/coterie/core"
)

// Options are the settings of a [Group]. The zero Options are those of a zero
// Group.
type Options struct {
	// Name is shown in stuck reports and task errors, and is the value of the
	// pprof label "coterie" that the group's tasks carry.
	Name string
	// Limit is how many tasks may run at once; 0 means no limit.
	Limit int
	// Semaphore, if not nil, is a limit shared with other owners: each task
	// holds one of its permits.
	Semaphore *core.Semaphore
	// Panics says what becomes of a panic in a task.
	Panics PanicPolicy
	// OnPanic is required by, and only for, the policy Capture. It is called
	// in the goroutine that panicked, by several at once if several do. If it
	// panics itself, the process ends.
	OnPanic func(*core.PanicError)
}

func (o *Options) check() {
	if o.Limit < 0 {
		panic(fmt.Sprintf("group: negative limit, got %d", o.Limit))
	}
	if o.Panics < Propagate || o.Panics > Capture {
		panic(fmt.Sprintf("group: unknown panic policy, got %d", o.Panics))
	}
}
