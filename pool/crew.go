package pool

import (
	"context"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A crew is where a loop has its helpers from. Its Wait raises nothing.
type crew interface {
	TryGo(t loopTask) bool
	Wait()
}

// newCrew returns a crew for a loop that was called with ctx: of goroutines, or,
// within a task of a pool, of that pool's workers.
func newCrew(ctx context.Context) crew {
	if p := poolOf(ctx); p != nil {
		return batchCrew{p.Batch(ctx)}
	}
	return new(group.Engine[loopTask])
}

// A loopTask is a task of a loop. It tells the loop itself of a panic or a Goexit.
type loopTask func()

func (f loopTask) Run() { f() }

func (f loopTask) Aborted(*core.PanicError) bool { return true }

func (f loopTask) run() error { f(); return nil }

func (f loopTask) aborted(*core.PanicError) bool { return true }

func (f loopTask) drop(error) {}

func (f loopTask) scope() (context.Context, string) { return nil, "" }

// A batchCrew is a crew of a pool's workers.
type batchCrew struct{ *Batch }

func (b batchCrew) TryGo(t loopTask) bool {
	return b.pool.push(alone(t), b.Batch) == accepted
}
