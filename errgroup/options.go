package errgroup

import (
	"fmt"

	"github.com/coterie-go/coterie/core"
)

// Options are the settings of a [Group]. docs/guide/numbers.md says what 0
// means in each, and in every setter.
type Options struct {
	// Name is shown in stuck reports and in the errors of named tasks, and is
	// the value of the pprof label "coterie" that the group's tasks carry.
	Name string
	// Limit is how many tasks may run at once; 0 means no limit.
	Limit int
	// Semaphore, if not nil, is a limit shared with other owners: each task
	// holds one of its permits.
	Semaphore *core.Semaphore
	// Isolate gives each task a goroutine of its own, for code that leaves marks on
	// its goroutine. A task then costs what a go statement costs.
	Isolate bool
	// Panics says what becomes of a panic in a task. Under [core.Propagate],
	// the default, the context is cancelled at once and Wait raises the panic;
	// under [core.Capture] the task's error is the *[core.PanicError], or
	// [core.ErrGoexit] if it called Goexit.
	Panics core.PanicPolicy
	// Collect makes Wait return the errors of all tasks, and an error cancel
	// nothing. Each task takes some 20 bytes for that, until it and those that were
	// started with it have ended.
	Collect bool
	// MaxErrors is how many errors Collect keeps, those of the tasks that were
	// started first; how many there were besides stands in the text. 0 means
	// all. It is only for Collect: without that it panics.
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
