package remote

import (
	"context"
	"iter"

	"github.com/coterie-go/coterie/pool"
)

// mapAhead is how many items of a Map are submitted at a time.
const mapAhead = 1024

// Map submits t for each item of seq, and yields the results in the order of seq. It is [pool.Map]
// with a fleet for its workers: up to 1024 items are submitted at a time, or as many as the queue
// has room for; they begin nearly in the order of seq. Leaving the range loop in any way gives up
// the tasks that have not ended, and stops seq, and the next statement runs when the server has
// been told and seq has ended. An error of a task, which is a *[DeadError], is yielded after the
// results of the items before, and ends the sequence; so does context.Cause of ctx when that is
// done, at once.
func Map[In, Out any](ctx context.Context, e *Engine, t *Task[In, Out], seq iter.Seq[In]) iter.Seq2[Out, error] {
	switch {
	case ctx == nil:
		panic("remote: nil context")
	case e == nil:
		panic("remote: nil engine")
	case t == nil:
		panic("remote: nil task")
	case seq == nil:
		panic("remote: nil sequence")
	}
	return pool.Map(ctx, mapAhead, seq, func(ctx context.Context, in In) (out Out, err error) {
		f, err := Submit(ctx, e, t, in)
		if err != nil {
			return out, err
		}
		return f.Get() // which ends when ctx does, and the task has been given up
	})
}
