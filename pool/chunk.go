package pool

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/coterie-go/coterie/pool/internal/loop"
)

// Chunk yields the items of in, in their order, as slices of n; a slice is yielded earlier when
// wait has passed since its first item came. A wait of 0 is no bound. What is left when in ends
// is yielded too. Each slice is the caller's. Nothing happens before the range loop, and each
// range loop runs in anew.
//
// Leaving the range loop in any way stops in, and the next statement runs when in, with its
// deferred calls, has ended. If ctx is done, the sequence ends in the same way, and items that
// have not been yielded are lost. A panic of in is raised in the range loop after the items
// before it, as a *[core.PanicError]; so is a Goexit.
//
// in runs in a goroutine of its own, ahead of the range loop: by n items at most, besides
// those of the slice that the body has. That goroutine carries the profiler labels of ctx.
// Memory is that of the items that are there, however large n is.
//
// Chunk panics if n is less than 1 or wait is negative.
func Chunk[T any](ctx context.Context, in iter.Seq[T], n int, wait time.Duration) iter.Seq[[]T] {
	checkContext(ctx)
	checkSeq(in == nil)
	if n < 1 {
		panic(fmt.Sprintf("pool: chunks of less than 1 item, got %d", n))
	}
	if wait < 0 {
		panic(fmt.Sprintf("pool: negative wait, got %v", wait))
	}
	return loop.Chunk(ctx, in, n, wait)
}

// Merge yields the items of all inputs as they come, those of each input in their order.
// Nothing happens before the range loop, and each range loop runs the inputs anew. Without
// inputs the sequence is empty.
//
// Leaving the range loop in any way stops the inputs, and the next statement runs when they, with
// their deferred calls, have ended. If ctx is done, the sequence ends in the same way, and items
// that have not been yielded are lost. A panic of an input stops the others, and is raised in
// the range loop after the items that came before it, as a *[core.PanicError]; so is a Goexit.
//
// Each input runs in a goroutine of its own, ahead of the range loop: by 32 items at most.
// These goroutines carry the profiler labels of ctx.
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
