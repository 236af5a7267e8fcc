// This file holds the workers that a loop gets within a task of a pool. Invariant: a
// loop's helper that a pool runs is a task of that pool, and reports to the loop alone.

package pool

import (
	"context"
	"runtime"

	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/pool/internal/loop"
)

// newCall returns what a loop asks for. It panics for a nil context.
func newCall(ctx context.Context, workers int) loop.Call {
	checkContext(ctx)
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	call := loop.Call{Ctx: ctx, Workers: workers}
	if p := poolOf(ctx); p != nil {
		call.New = func() loop.Workers { return batchWorkers{p.batch(ctx)} }
	}
	return call
}

// batchWorkers are the workers of a pool.
type batchWorkers struct{ *Batch }

// TryGo starts f as a task whose Goexit the batch does not raise.
func (b batchWorkers) TryGo(f func()) bool {
	return b.pool.scheduler.TryHelp(b.set, loopTask(f)) == nil
}

// Wait returns when every helper has ended. Its caller is the loop's, which has the context.
func (b batchWorkers) Wait() { b.set.WaitInside() }

// A loopTask is a helper of a loop, which is told of a panic or a Goexit by f itself.
type loopTask func()

// Run calls the function.
func (f loopTask) Run(w *sched.Worker) {
	w.Help()
	f()
}

// IsHelper says that it is no task of the pool's users.
func (loopTask) IsHelper() {}
