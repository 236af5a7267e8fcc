package pool

import (
	"fmt"
	"time"

	"github.com/coterie-go/coterie/core"
)

// Options are the settings of a [Pool]. The zero Options are good ones. docs/guide/numbers.md says what 0
// means in each, and in every setter.
type Options struct {
	// Name is shown in stuck reports and is the value of the pprof label
	// "coterie" that the pool's tasks carry. It nests in the name of the
	// owner in whose task a task is started with a context. A task of a pool
	// without a name costs less: nothing is noted about it when it starts.
	Name string
	// Queue is how many tasks may wait for a worker; 0 means 1024. A submitter that
	// finds it full blocks until there is room. Blocked submitters form a line, which nobody
	// passes.
	//
	// A queue of 64 or more runs half empty before the line goes on, so that one wake-up pays
	// for many tasks. Then as many submitters go on as there is room for.
	Queue int
	// IdleAfter is how long a worker without work stays; 0 means one second.
	//
	// A worker belongs to the testing/synctest bubble in which it was started.
	// Before a bubble ends, close its pools, or, if they outlive it, as a package
	// variable does, sleep for IdleAfter, so that no worker is left behind; and
	// do so too before a bubble uses a pool that was used outside.
	IdleAfter time.Duration
	// Isolate gives each task a goroutine of its own, for code that leaves marks on
	// its goroutine. A task then costs what a go statement costs.
	Isolate bool
	// OnPanic is called with the panic of a task for which nobody waits: one
	// that was started by the pool's own Go, TryGo or GoContext. It is called
	// in the goroutine that panicked, by several at once if several do. If it
	// is nil, or panics itself, such a panic ends the process.
	OnPanic func(*core.PanicError)
}

const (
	defaultQueue     = 1024
	defaultIdleAfter = time.Second
)

// checked returns the options with their defaults filled in.
func (o Options) checked() Options {
	if o.Queue < 0 {
		panic(fmt.Sprintf("pool: negative queue, got %d", o.Queue))
	}
	if o.IdleAfter < 0 {
		panic(fmt.Sprintf("pool: negative IdleAfter, got %v", o.IdleAfter))
	}
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	if o.IdleAfter == 0 {
		o.IdleAfter = defaultIdleAfter
	}
	return o
}
