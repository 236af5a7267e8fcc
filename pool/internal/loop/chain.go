// This file ends the loops in the inputs of a loop when the loop ends. An input is a function, so a
// loop does not see whether it runs another loop. But that loop runs in the goroutine that reads
// the input. So reading has the numbers of the goroutines that read, and a loop that begins in one
// of these ends with the reader's loop. Invariant: a goroutine is in reading from before its input
// begins until after the input has ended.

package loop

import (
	"context"
	"sync"

	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// reading has the numbers of the goroutines that read an input, with the loops that they read for.
// readers is how many there are.
var (
	reading sync.Map
	readers race.Uint64
)

// reads records that the caller's goroutine reads an input of the loop, until the caller calls
// ended. It takes about a microsecond.
func (l *loop) reads() (ended func()) {
	id := sched.GoroutineID()
	readers.Add(1)
	race.Do(func() { reading.Store(id, l) })
	return func() {
		race.Do(func() { reading.Delete(id) })
		readers.Add(^uint64(0))
	}
}

// chained returns the context for a loop that begins in the caller's goroutine and was given ctx.
// If the goroutine reads an input of another loop, that context also ends with the items of that
// loop, and for the same cause. The caller calls stop when its loop has ended.
func chained(ctx context.Context) (_ context.Context, stop func()) {
	if readers.Load() == 0 {
		return ctx, func() {}
	}
	id := sched.GoroutineID()
	outer := race.Get(func() *loop {
		l, _ := reading.Load(id)
		outer, _ := l.(*loop)
		return outer
	})
	if outer == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	unwatch := context.AfterFunc(&outer.ctx, func() { cancel(context.Cause(&outer.ctx)) })
	return ctx, func() {
		unwatch()
		cancel(nil)
	}
}
