package pool

import (
	"context"
	"sync/atomic"

	"github.com/coterie-go/coterie/group"
)

// A taskContext is the context that a task gets.
type taskContext struct {
	context.Context
	pool  *Pool
	batch *Batch // nil for a task of the pool itself
	name  string
	ended atomic.Bool // the task has ended
}

type taskKey struct{}

// newTaskContext makes the context of a task that is started with ctx.
func newTaskContext(ctx context.Context, p *Pool, b *Batch) taskContext {
	name := ""
	if p.options.Name != "" {
		ctx, name = group.Scope(ctx, p.options.Name)
	}
	return taskContext{Context: ctx, pool: p, batch: b, name: name}
}

// Value makes the task known to contexts that are derived from this one.
func (t *taskContext) Value(key any) any {
	if key == (taskKey{}) {
		return t
	}
	return t.Context.Value(key)
}

func (t *taskContext) scope() (context.Context, string) {
	if t.name == "" {
		return nil, ""
	}
	return t.Context, t.name
}

// taskOf returns the innermost task of a pool that ctx comes from and that has
// not ended, or nil. If p is not nil, tasks of other pools do not count.
func taskOf(ctx context.Context, p *Pool) *taskContext {
	for {
		t, _ := ctx.Value(taskKey{}).(*taskContext)
		if t == nil || (p == nil || t.pool == p) && !t.ended.Load() {
			return t
		}
		ctx = t.Context
	}
}

// poolOf returns the pool of the task that ctx comes from, or nil if it comes from
// none or that has ended.
func poolOf(ctx context.Context) *Pool {
	if t := taskOf(ctx, nil); t != nil {
		return t.pool
	}
	return nil
}
