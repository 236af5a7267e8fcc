package group

import (
	"context"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// This file holds how a program follows its named tasks, those of errgroup and pool among
// them. What runs at one instant, and what for, package group/tree shows.

// An Event is what an [Observer] learns of a named task. A task is named if it was started with
// a name, or by an owner that has one, or with the context of a named task.
type Event struct {
	Path      string           // of the task: "ingest/fetch"
	Owner     uint64           // the number of the owner, as in group/tree; 0 if that has no name
	Task      uint64           // the number of the task, as in group/tree; no two have the same
	Waited    time.Duration    // from Queued until the task began; 0 in Queued
	Ran       time.Duration    // from Started until the task ended; 0 before
	Err       error            // what the task returned, or why it did not run; core.ErrGoexit
	Panic     *core.PanicError // the panic of the task, or nil
	Cancelled bool             // the task's context was done when it ended, or it did not run
}

// An Observer has functions that [Observe] calls; each may be nil. They are called for each
// task in this order: Queued by the goroutine that starts the task, before there is room;
// Started and Ended by the task's own. Tasks that run at once call them at once. They must be
// quick, because the task waits for them, and must not panic.
//
// A task that does not run has no Started. Its Ended has Cancelled set, and says in Err why: the
// owner was full in a TryGo, or closed, or a context was done.
type Observer struct {
	Queued  func(Event) // a task is about to be started
	Started func(Event) // a task begins
	Ended   func(Event) // a task has ended, or will not run
}

// Observe calls o's functions for each named task of the program that is started from then on.
// stop returns when no call is under way and none will come; the functions must not
// call it. Several may observe at once. Observe panics if o is nil.
//
// In the terminology of [the Go memory model], a call of Observe "synchronizes before" the
// calls of the functions, and these before the return of stop.
//
// While nobody observes, that costs an atomic load for each named task, and nothing for others.
// An observed task costs some allocations.
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

// Path returns the path of the task or owner that ctx derives from, such as "ingest/fetch",
// or "" if there is none with a name. It is for logs. It panics if ctx is nil.
func Path(ctx context.Context) string {
	checkContext(ctx)
	return sched.Path(ctx)
}
