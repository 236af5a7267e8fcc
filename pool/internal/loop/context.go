// This file holds the context of a loop's items, and the budget that it carries. Invariant: the
// context of a loop that has ended is cancelled, and its Value does not return the loop's budget.

package loop

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core/race"
)

// A budget is how many workers the outermost of nested loops has left. The context of its items
// carries it. So a loop within a loop uses the workers that are left, and does not multiply them.
// Items of an outer loop use its budget. The budget must not order them, so it is hidden from the
// race detector.
type budget struct{ free race.Uint64 }

type budgetKey struct{}

// budgetOf returns the budget of the innermost loop that has not ended and from whose context ctx
// derives, or nil.
func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	return b
}

// available reports whether a worker is left.
func (b *budget) available() bool { return b.free.Load() > 0 }

// borrow takes a worker from the budget. It reports false if there is none.
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

// A loopContext is the context of a loop's items. Most loops end before an item calls anything but
// Err. So the inner context, which can be cancelled, is made on demand. If it were always made, a
// loop of 10 items would take twice as long.
type loopContext struct {
	context.Context // the parent
	budget          *budget
	outermost       budget // budget points to it if there is no loop around this one

	inner  atomic.Pointer[cancellable] // nil until it is needed
	making sync.Once
	ended  atomic.Bool
}

type cancellable struct {
	context.Context
	cancel context.CancelCauseFunc
}

// made returns the inner context. It makes it if there is none.
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

// end cancels the context of a loop that has ended. After it, cancel and end do nothing.
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
		if c.ended.Load() { // a context that derives from this one may outlive the loop
			return c.Context.Value(key)
		}
		return c.budget
	}
	// Not the parent's value: the context package uses Value to find the context that it must
	// cancel.
	return c.made().Value(key)
}
