package pool

import (
	"context"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// A budget is how many workers the outermost of nested loops has left. The
// context of its items carries it, so that a loop within a loop uses what is left
// and does not multiply them.
type budget struct{ free atomic.Int64 }

type budgetKey struct{}

// budgetOf returns the budget of the loop that ctx comes from, or nil.
func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	return b
}

// borrow takes a worker from the budget, or reports false.
func (b *budget) borrow() bool {
	core.RaceDisable() // two items that borrow are not ordered
	defer core.RaceEnable()
	for {
		free := b.free.Load()
		if free <= 0 {
			return false
		}
		if b.free.CompareAndSwap(free, free-1) {
			return true
		}
	}
}

// giveBack returns a worker to the budget.
func (b *budget) giveBack() {
	core.RaceDisable()
	b.free.Add(1)
	core.RaceEnable()
}
