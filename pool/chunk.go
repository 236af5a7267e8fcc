package pool

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/coterie-go/coterie/pool/internal/loop"
)

// Chunk yields the items of in, in their order, as slices of n items. It yields a shorter slice if
// wait has passed since the first item of the slice came, or if in has ended. There is no time
// limit if wait is 0. The caller owns each slice. Chunk itself runs nothing: each range loop over
// the sequence runs in again.
//
// A body that leaves the range loop, in any way, stops in. The range loop then blocks until in and
// its deferred calls have ended. The sequence ends in the same way if ctx is done, and items that
// have not been yielded are lost. The range loop panics with a *[core.PanicError] if in panics,
// after it has yielded the items before. The range loop calls Goexit if in calls it.
//
// in runs in a goroutine of its own. It is at most n items ahead of the range loop, not counting
// the slice that the body has. That goroutine has the pprof labels of ctx. Chunk uses memory for
// the items that it holds, however large n is.
//
// Chunk panics if n is less than 1, wait is negative, or ctx or in is nil.
func Chunk[T any](ctx context.Context, in iter.Seq[T], n int, wait time.Duration) iter.Seq[[]T] {
	checkContext(ctx)
	checkSeq(in == nil)
	if n < 1 {
		panic(fmt.Sprintf("pool: chunks of less than 1 item, got %d", n))
	}
	checkNumber("wait", wait)
	return loop.Chunk(ctx, in, n, wait)
}

// Merge yields the items of all inputs as they come. The items of one input stay in their order.
// Merge itself runs nothing: each range loop over the sequence runs the inputs again. The sequence
// is empty if there are no inputs.
//
// A body that leaves the range loop, in any way, stops the inputs. The range loop then blocks until
// the inputs and their deferred calls have ended. The sequence ends in the same way if ctx is done,
// and items that have not been yielded are lost. A panic of an input stops the others. The range
// loop yields the items that came before, and then panics with a *[core.PanicError]. The range loop
// calls Goexit if an input calls it.
//
// Each input runs in a goroutine of its own, at most 32 items ahead of the range loop. These
// goroutines have the pprof labels of ctx. Merge panics if ctx or an input is nil.
func Merge[T any](ctx context.Context, in ...iter.Seq[T]) iter.Seq[T] {
	checkContext(ctx)
	for _, seq := range in {
		checkSeq(seq == nil)
	}
	return loop.Merge(ctx, slices.Clone(in))
}

func checkSeq(isNil bool) {
	if isNil {
		panic("pool: nil seq")
	}
}
