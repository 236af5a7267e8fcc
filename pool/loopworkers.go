// This file holds the workers that a loop uses if a task of a pool calls it. Invariant: a helper
// that the pool runs for a loop is a task of that pool, and passes its panic or Goexit only to the
// loop.

package pool

import (
	"context"
	"runtime"

	"github.com/coterie-go/coterie/core/sched"
	"github.com/coterie-go/coterie/pool/internal/loop"
)

// newCall returns the loop.Call for a loop. It panics if ctx is nil.
func newCall(ctx context.Context, workers int) loop.Call {
	checkContext(ctx)
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	call := loop.Call{Ctx: ctx, Workers: workers}
	if p := poolOf(ctx); p != nil {
		call.New = func() loop.Spawner { return batchSpawner{p.batch(ctx)} }
	}
	return call
}

// A batchSpawner starts helpers of a loop as tasks of a pool.
type batchSpawner struct{ *Batch }

// TryGo starts f as a task whose Goexit the batch does not raise.
func (b batchSpawner) TryGo(f func()) bool {
	return b.pool.scheduler.TryHelp(b.set, loopTask(f)) == nil
}

// Wait blocks until every helper has ended. The caller of the loop calls it, and holds the place of
// the task whose context the loop has.
func (b batchSpawner) Wait() { b.set.WaitInside() }

// A loopTask is a helper of a loop. It passes its panic or Goexit to the loop itself.
type loopTask func()

// Run implements [sched.Task].
func (f loopTask) Run(w *sched.Worker) {
	w.MarkHelper()
	f()
}

// IsHelper implements [sched.Helper]: a helper is not a task of the pool's users.
func (loopTask) IsHelper() {}
