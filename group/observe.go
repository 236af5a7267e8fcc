package group

import (
	"context"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// This file lets a program follow its named tasks, also those of errgroup and pool. Package
// group/tree shows which tasks run at one instant.

// An Event describes a named task to an [Observer]. A task is named if it was started with a name,
// by an owner with a name, or with the context of a named task.
type Event struct {
	Path      string           // of the task: "ingest/fetch"
	Owner     uint64           // the number of the owner, as in group/tree; 0 if the owner has no name
	Task      uint64           // the number of the task, as in group/tree; no two have the same
	Waited    time.Duration    // from Queued until the task began; 0 in Queued
	Ran       time.Duration    // from Started until the task ended; 0 before
	Err       error            // the task's error, core.ErrGoexit, or why the task did not run
	Panic     *core.PanicError // the panic of the task, or nil
	Cancelled bool             // the task's context was done when it ended, or it did not run
}

// An Observer has functions that [Observe] calls. Each may be nil. For each task they are called in
// this order: Queued in the goroutine that starts the task, before there is room; Started and Ended
// in the goroutine of the task. Several goroutines may call them at once. They must be quick,
// because the task waits for them. They must not panic or call [runtime.Goexit], as t.FailNow does.
//
// For a task that does not run, Started is not called. Ended gets an Event with Cancelled set and
// the reason in Err: the owner was full in a TryGo, the owner was closed, Go panicked because of a
// deadlock, a context was done, or a pool.Keyed replaced the task. The goroutine that drops the
// task calls Ended.
type Observer struct {
	Queued  func(Event) // a task is about to be started
	Started func(Event) // a task begins
	Ended   func(Event) // a task has ended, or will not run
}

// Observe calls o's functions for each named task that the program starts from now on, until stop
// is called. stop blocks until no call is under way; no call follows. The functions must not call
// stop. A program may have several observers at once. Observe panics if o is nil.
//
// In the terminology of [the Go memory model], a call of Observe "synchronizes before" each call of
// the functions, and each of these before the return of stop.
//
// While there is no observer, a named task costs an atomic load more, and other tasks cost nothing
// more. An observed task costs some allocations.
//
// [the Go memory model]: https://go.dev/ref/mem
func Observe(o *Observer) (stop func()) {
	if o == nil {
		panic("group: nil observer")
	}
	return sched.Observe(sched.Observer{Queued: wrap(o.Queued), Started: wrap(o.Started), Ended: wrap(o.Ended)})
}

func wrap(f func(Event)) func(sched.Event) {
	if f == nil {
		return nil
	}
	return func(e sched.Event) { f(Event(e)) }
}

// Path returns the path of the innermost task or owner from which ctx derives, such as
// "ingest/fetch". It returns "" if none has a name. It is for logs. It panics if ctx is nil.
func Path(ctx context.Context) string {
	checkContext(ctx)
	return sched.Path(ctx)
}
