package pool

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// This file holds the context of a task with a key, which Replace can cancel as long as the
// task runs. Most tasks are not replaced, and many do not ask for Done. So what can be
// cancelled, the inner context, is made on demand.
//
// What a task starts with its context may outlive it. So the end of the task does not cancel
// anything. But the parent may live for long, and nothing may stay with it: it knows the
// inner context by a weak pointer, and forgets it when that is collected.

// A taskContext is the context of a task with a key.
type taskContext struct {
	context.Context                 // of the task
	base            context.Context // from which that derives
	set             *sched.Set      // the task's

	inner atomic.Pointer[innerContext] // nil until it is needed
	ended race.Uint64                  // 1 when the task has ended without having been replaced

	mu     sync.Mutex // held while inner is made, and the task begins and ends
	begun  bool       // guarded by mu
	cancel error      // why the task is cancelled; guarded by mu
}

type innerContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

// begin is called when the task begins.
func (c *taskContext) begin(task, base context.Context, set *sched.Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Context, c.base, c.set, c.begun = task, base, set, true
	if c.cancel != nil || race.Hidden { // a task that made it would be ordered before others that it has started
		c.make()
	}
}

// end is called when the task ends.
func (c *taskContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel == nil {
		c.ended.Store(1)
	}
}

// replace cancels the context, unless the task has ended.
func (c *taskContext) replace() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended.Load() != 0 || c.cancel != nil {
		return
	}
	c.cancel = ErrReplaced
	switch inner := c.inner.Load(); {
	case inner != nil:
		inner.cancel(ErrReplaced)
	case c.begun:
		c.make()
	}
}

// make makes the inner context. It is called with mu held.
func (c *taskContext) make() *innerContext {
	inner := new(innerContext)
	inner.Context, inner.cancel = context.WithCancelCause(context.WithoutCancel(c.Context))
	switch base := c.base; {
	case c.cancel != nil:
		inner.cancel(c.cancel)
	case base.Err() != nil:
		inner.cancel(context.Cause(base))
	case base.Done() != nil:
		known, l := weak.Make(inner), new(link)
		l.cut = context.AfterFunc(base, func() {
			l.over.Store(1)
			if inner := known.Value(); inner != nil {
				inner.cancel(context.Cause(base))
			}
		})
		runtime.AddCleanup(inner, (*link).forget, l)
	}
	c.inner.Store(inner)
	return inner
}

// A link is what leads from a context to an inner one.
type link struct {
	cut  func() bool
	over race.Uint64 // 1 when the context has ended
}

// forget is called outside of any testing/synctest bubble. A context that has not ended may
// be told so from there.
func (l *link) forget() {
	if l.over.Load() == 0 {
		l.cut()
	}
}

// made returns the inner context. It asks nothing of the base, see forget.
func (c *taskContext) made() *innerContext {
	if inner := c.inner.Load(); inner != nil {
		return inner
	}
	return c.makeSlow()
}

func (c *taskContext) makeSlow() *innerContext {
	c.mu.Lock()
	defer c.mu.Unlock()
	if inner := c.inner.Load(); inner != nil {
		return inner
	}
	return c.make()
}

func (c *taskContext) Done() <-chan struct{} { return c.made().Done() }

func (c *taskContext) Err() error {
	inner := c.inner.Load()
	if inner == nil {
		return c.Context.Err()
	}
	if inner.Err() == nil && c.base.Err() != nil { // the goroutine of AfterFunc has not run yet
		inner.cancel(context.Cause(c.base))
	}
	return inner.Err()
}

type taskContextKey struct{}

// Value returns the task's. The context package finds by it what it is to cancel.
func (c *taskContext) Value(key any) any {
	switch {
	case key == taskContextKey{}:
		return c
	case sched.IsContextKey(key):
		return c.Context.Value(key)
	}
	return c.made().Value(key)
}

// succeeding returns the context for a task that replaces the task of set from which ctx
// derives: it has the values of ctx, and ends with what that task's derives from.
func succeeding(ctx context.Context, set *sched.Set) context.Context {
	c, _ := ctx.Value(taskContextKey{}).(*taskContext)
	for c != nil && c.set != set {
		c, _ = c.base.Value(taskContextKey{}).(*taskContext)
	}
	if c == nil {
		return ctx
	}
	return successor{c.base, context.WithoutCancel(ctx)}
}

type successor struct {
	context.Context
	values context.Context
}

// Value returns that of values, or else, as for what the context package looks for, that of
// what it ends with.
func (s successor) Value(key any) any {
	if v := s.values.Value(key); v != nil {
		return v
	}
	return s.Context.Value(key)
}

// outlived returns ctx, or, as long as that is the context of a task with a key that has ended,
// the one from which it derives: a task that starts the next of its key, which does the same,
// leaves no chain behind.
func outlived(ctx context.Context) context.Context {
	for {
		c, ok := ctx.(*taskContext)
		if !ok || c.ended.Load() == 0 {
			return ctx
		}
		ctx = c.base
	}
}
