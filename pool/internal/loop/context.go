// This file holds the context of a loop's items and the budget that it carries.
// Invariant: the context of a loop that has ended is cancelled, and passes its budget on
// to nobody.

package loop

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core/race"
)

// A budget is how many workers the outermost of nested loops has left. The context of
// its items carries it. So a loop within a loop uses what is left and does not multiply
// the workers. It must not order those items.
type budget struct{ free race.Uint64 }

type budgetKey struct{}

// budgetOf returns the budget of the loop that ctx comes from and that has not ended, or nil.
func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	return b
}

// available reports whether a worker is left.
func (b *budget) available() bool { return b.free.Load() > 0 }

// borrow takes a worker from the budget, or reports false.
func (b *budget) borrow() bool {
	for {
		free := b.free.Load()
		if free == 0 {
			return false
		}
		if b.free.CompareAndSwap(free, free-1) {
			return true
		}
	}
}

// giveBack returns a worker to the budget.
func (b *budget) giveBack() { b.free.Add(1) }

// A loopContext is the context of a loop's items. Most loops end before an item asks it
// for more than Err. So the context beneath it, which can be cancelled, is made on
// demand: made at once it makes a loop of 10 items take twice as long.
type loopContext struct {
	context.Context // the parent
	budget          *budget
	outermost       budget // what budget points to, if no loop is around this one

	inner  atomic.Pointer[cancellable] // nil until it is needed
	making sync.Once
	ended  atomic.Bool
}

type cancellable struct {
	context.Context
	cancel context.CancelCauseFunc
}

// made returns the context beneath.
func (c *loopContext) made() *cancellable {
	c.making.Do(func() {
		inner := new(cancellable)
		inner.Context, inner.cancel = context.WithCancelCause(c.Context)
		c.inner.Store(inner)
		if c.ended.Load() {
			inner.cancel(nil)
		}
	})
	return c.inner.Load()
}

// end cancels the context of a loop that has ended. Later calls of cancel and end
// do nothing.
func (c *loopContext) end() {
	// Either made sees ended, or end sees what made has stored.
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
		if c.ended.Load() { // a context.WithoutCancel of this one may outlive the loop
			return c.Context.Value(key)
		}
		return c.budget
	}
	// Not the parent's: the context package finds by Value what it is to cancel.
	return c.made().Value(key)
}
