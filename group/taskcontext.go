package group

import (
	"context"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// A taskContext is what a context of a task, or of an owner, carries.
type taskContext struct {
	engine  any
	path    string
	parent  *taskContext
	running atomic.Bool // the task that the context belongs to runs
}

type taskKey struct{}

func taskOf(ctx context.Context) *taskContext {
	t, _ := ctx.Value(taskKey{}).(*taskContext)
	return t
}

// setRunning and runs are hidden from the race detector, to which a store that is
// loaded orders tasks.
func (t *taskContext) setRunning(running bool) {
	core.RaceDisable()
	t.running.Store(running)
	core.RaceEnable()
}

func (t *taskContext) runs() bool {
	core.RaceDisable()
	running := t.running.Load()
	core.RaceEnable()
	return running
}
