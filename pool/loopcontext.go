package pool

import (
	"context"
	"sync"
	"sync/atomic"
)

// A loopContext is the context that the items of a loop are given. Most loops end
// without anybody having asked it for more than Err, so the context beneath it,
// which can be cancelled, is made only when somebody does.
type loopContext struct {
	context.Context // the parent
	budget          *budget
	outermost       budget // what budget points to, if no loop is around this one

	inner atomic.Pointer[cancellable] // nil until it is needed
	mu    sync.Mutex                  // held while inner is made
	ended atomic.Bool
}

type cancellable struct {
	context.Context
	cancel context.CancelCauseFunc
}

// made returns the context beneath.
func (c *loopContext) made() *cancellable {
	if inner := c.inner.Load(); inner != nil {
		return inner
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	inner := c.inner.Load()
	if inner == nil {
		inner = new(cancellable)
		inner.Context, inner.cancel = context.WithCancelCause(c.Context)
		c.inner.Store(inner)
		if c.ended.Load() {
			inner.cancel(nil)
		}
	}
	return inner
}

// end cancels the context of a loop that has ended. Later calls of cancel and end
// do nothing.
func (c *loopContext) end() {
	// Either made finds that the loop has ended, or this finds what made has made.
	c.ended.Store(true)
	if inner := c.inner.Load(); inner != nil {
		inner.cancel(nil)
	}
}

func (c *loopContext) cancel(cause error) { c.made().cancel(cause) }

func (c *loopContext) Done() <-chan struct{} { return c.made().Done() }

func (c *loopContext) Err() error {
	if inner := c.inner.Load(); inner != nil {
		return inner.Err()
	}
	if c.ended.Load() {
		return context.Canceled
	}
	return c.Context.Err()
}

func (c *loopContext) Value(key any) any {
	if key == (budgetKey{}) {
		return c.budget
	}
	// Not the parent's: the context package finds by Value what it is to cancel.
	return c.made().Value(key)
}
