package pool

import (
	"cmp"
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// This file holds the context of a task with a key. Replace can cancel it while the task runs. Most
// tasks are not replaced, and many do not call Done. So the part that can be cancelled, the inner
// context, is made on demand.
//
// Goroutines and tasks that a task starts with its context may outlive the task. So the end of the
// task does not cancel the context. The parent context may live for long and must not keep inner
// contexts. So it points to the inner context weakly, and drops the pointer when the inner context
// is garbage-collected.

// A taskContext is the context of a task with a key.
type taskContext struct {
	context.Context                 // has the values; nil until the task begins
	base            context.Context // the context with which the task was started
	set             *sched.Set      // of the task's key

	inner atomic.Pointer[innerContext] // nil until it is needed
	ended race.Uint64                  // 1 when the task has ended and was not replaced
	skip  race.Pointer[taskContext]    // see outlived; nil: the context itself

	mu    sync.Mutex // locked to make inner, and when the task begins, ends or is replaced
	cause error      // ErrReplaced if the task was replaced, otherwise nil; guarded by mu
}

type innerContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

// begin sets the fields when the task begins. values may be the context of the task that started
// this one. Then c has the values of that context, and not the context itself: if each task starts
// the next, Value looks in one context.
func (c *taskContext) begin(values, base context.Context, set *sched.Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if starter, ok := values.(*taskContext); ok {
		values = starter.Context
	}
	c.Context, c.base, c.set = values, base, set
	if c.cause != nil || race.Hidden { // in a race build: if a task made it, the detector would see that order other goroutines
		c.madeLocked()
	}
}

// end marks the task as ended.
func (c *taskContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.ended.Store(1)
	}
}

// replace cancels the context, unless the task has ended.
func (c *taskContext) replace() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended.Load() != 0 || c.cause != nil {
		return
	}
	c.cause = ErrReplaced
	if c.Context != nil { // it has begun
		c.madeLocked().cancel(ErrReplaced)
	}
}

// made returns the inner context. It makes it if there is none.
func (c *taskContext) made() *innerContext {
	if inner := c.inner.Load(); inner != nil {
		return inner
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.madeLocked()
}

func (c *taskContext) madeLocked() *innerContext {
	if inner := c.inner.Load(); inner != nil {
		return inner
	}
	inner := new(innerContext)
	inner.Context, inner.cancel = context.WithCancelCause(context.WithoutCancel(c.Context))
	switch base := c.canceller(); {
	case c.cause != nil:
		inner.cancel(c.cause)
	case base.Err() != nil:
		inner.cancel(context.Cause(base))
	case base.Done() != nil:
		known := weak.Make(inner)
		cut := context.AfterFunc(base, func() {
			if inner := known.Value(); inner != nil {
				inner.cancel(context.Cause(base))
			}
		})
		// A cleanup runs outside of any testing/synctest bubble. There it must not call the cut of
		// a bubble, because that may close a channel of the bubble. So in a bubble cut is not
		// called, and the function stays until base ends.
		if !sched.IsFake(time.Now()) {
			runtime.AddCleanup(inner, func(cut func() bool) { cut() }, cut)
		}
	}
	c.inner.Store(inner)
	return inner
}

func (c *taskContext) Done() <-chan struct{} { return c.made().Done() }

func (c *taskContext) Err() error {
	inner := c.inner.Load()
	if inner == nil {
		return c.canceller().Err()
	}
	if inner.Err() == nil && c.canceller().Err() != nil { // the goroutine of AfterFunc has not run yet
		inner.cancel(context.Cause(c.canceller()))
	}
	return inner.Err()
}

// canceller returns the context whose end ends c.
func (c *taskContext) canceller() context.Context {
	base := c.outlived()
	if s, ok := base.(successor); ok { // package context cannot find the parent of s
		return s.Context
	}
	return base
}

// outlived returns the context with which the task was started. If that is the context of a task
// with a key that has ended, outlived returns the context with which that task was started, and so
// on. It keeps the last of these tasks in skip, so that it passes each of them once.
func (c *taskContext) outlived() context.Context {
	last := cmp.Or(c.skip.Load(), c)
	for next := taskOf(last.base); next != nil && next.ended.Load() != 0; next = taskOf(last.base) {
		last = cmp.Or(next.skip.Load(), next)
	}
	if last != c {
		c.skip.Store(last)
	}
	return last.base
}

// taskOf returns the taskContext of ctx if ctx is the context of a task with a key, or nil.
func taskOf(ctx context.Context) *taskContext {
	if task, ok := ctx.(*sched.Context); ok {
		c, _ := task.Context.(*taskContext)
		return c
	}
	return nil
}

type taskContextKey struct{}

// Value returns the value for key of the inner context, so that the context package finds the
// context that it must cancel.
func (c *taskContext) Value(key any) any {
	if key == (taskContextKey{}) {
		return c
	}
	return c.made().Value(key)
}

// succeeding returns the context for a task that replaces the task of set from which ctx derives.
// It has the values of ctx, and is done when the context with which that task was started is done.
func succeeding(ctx context.Context, set *sched.Set) context.Context {
	c, _ := ctx.Value(taskContextKey{}).(*taskContext)
	for c != nil && c.set != set {
		c, _ = c.base.Value(taskContextKey{}).(*taskContext)
	}
	if c == nil {
		return ctx
	}
	if task, ok := ctx.(*sched.Context); ok && task.Context == context.Context(c) {
		return c.base // so that no chain of contexts stays behind
	}
	return successor{c.canceller(), context.WithoutCancel(ctx)}
}

// A successor ends with Context, and has the values of the other context.
type successor struct {
	context.Context
	values context.Context
}

// Value does not look in s.Context too: that may have the same parents as s.values, and each
// Replace would double the time.
func (s successor) Value(key any) any { return s.values.Value(key) }

// outlived returns ctx. If ctx is the context of a task with a key that has ended, it returns what
// taskContext.outlived does. So if each task of a key starts the next, no chain of contexts stays
// behind.
func outlived(ctx context.Context) context.Context {
	if c := taskOf(ctx); c != nil && c.ended.Load() != 0 {
		return c.outlived()
	}
	return ctx
}
