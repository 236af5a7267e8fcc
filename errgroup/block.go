package errgroup

import (
	"math/bits"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// A block has room for the errors of some tasks that were started one after
// another. If none of them fails, it is garbage when they have ended.
type block struct {
	marks  [blockLen]mark
	group  core.Guarded[*Group] // does not change
	number core.Guarded[uint64] // of the first task, in the order of start; does not change

	failed atomic.Uint32   // a bit for each of errs that is to be taken out
	errs   [blockLen]error // before a task fails, the *TaskError that is to hold its error, or nil

	used atomic.Uint32 // how many marks were asked for; not beside failed, which others write
}

// blockLen makes a block 512 bytes.
const blockLen = 28

func newBlock(g *Group, number uint64) *block {
	b := new(block)
	b.group.Store(g)
	b.number.Store(number)
	for i := range b.marks {
		b.marks[i].kind.Store(uint8(i + 1))
	}
	return b
}

// next returns a mark that nobody has, or nil if there is none left or b is nil.
func (b *block) next() *mark {
	if b == nil {
		return nil
	}
	if n := b.used.Add(1); n <= blockLen {
		return &b.marks[n-1]
	}
	return nil
}

// fail puts an error in, and reports whether it is the only one.
func (b *block) fail(i int, err error) bool {
	b.errs[i] = err
	return b.failed.Add(1<<i) == 1<<i
}

// sweep moves the errors to kept.
func (b *block) sweep(kept *kept) {
	for failed := b.failed.Swap(0); failed != 0; failed &= failed - 1 {
		i := bits.TrailingZeros32(failed)
		kept.add(b.number.Load()+uint64(i), b.errs[i])
		b.errs[i] = nil
	}
}
