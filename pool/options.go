package pool

import (
	"time"

	"github.com/coterie-go/coterie/core"
)

// Options are the settings of a [Pool]. The zero Options suit most pools.
// [docs/guide/numbers.md] lists what 0 means in each option and setter.
//
// [docs/guide/numbers.md]: https://github.com/coterie-go/coterie/blob/main/docs/guide/numbers.md
type Options struct {
	// Name stands in stuck reports. The pool's tasks have it as the value of the pprof label
	// "coterie". If a task is started with the context of another owner's task, its path is that
	// task's path followed by the name. A pool without a name does not list its tasks, so they cost
	// less.
	Name string
	// Queue is how many tasks may wait for a worker; 0 means 1024. A submitter that finds the queue
	// full blocks until there is room. Blocked submitters are served in the order in which they
	// came.
	//
	// A queue of 64 or more must be half empty before blocked submitters continue, so that many
	// submitters are woken at a time, which costs less for each. Then as many submitters continue
	// as there is room for.
	Queue int
	// IdleAfter is how long a worker stays idle before it ends; 0 means one second.
	//
	// A worker belongs to the testing/synctest bubble in which it was started, and must end before
	// the bubble does. So close the pools of a bubble at its end. If a pool outlives the bubble, as
	// a package variable does, sleep for IdleAfter instead. Also sleep for IdleAfter before a
	// bubble uses a pool that was used outside.
	IdleAfter time.Duration
	// Isolate gives each task a goroutine of its own. It is for code that leaves settings on its
	// goroutine; see [Pool]. A task then costs about as much as a go statement.
	Isolate bool
	// OnPanic gets the panics of tasks that were started by the pool's own Go, TryGo or GoContext.
	// It is called in the goroutine that panicked, perhaps by several goroutines at once. The task
	// has not ended before it returns. Such a panic ends the process if OnPanic is nil or panics
	// itself.
	OnPanic func(*core.PanicError)
}

const (
	defaultQueue     = 1024
	defaultIdleAfter = time.Second
)

// checked returns the options with their defaults. It panics if one is negative.
func (o Options) checked() Options {
	checkNumber("queue", o.Queue)
	checkNumber("IdleAfter", o.IdleAfter)
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	if o.IdleAfter == 0 {
		o.IdleAfter = defaultIdleAfter
	}
	return o
}
