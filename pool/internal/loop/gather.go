// This file holds Merge and Chunk. Each input has a goroutine, its reader, which adds items to a
// buffer. The caller takes the whole buffer at a time. A reader that has put ahead items since then
// waits until the caller takes.
//
// In race builds the bookkeeping is hidden, because it would order the inputs. There is only the
// promised edge from an item to the body of the caller's loop.
//
// Invariant: while the caller waits, the buffer does not have enough items for it, or ready holds a
// wake-up.

package loop

import (
	"context"
	"iter"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// mergeAhead is how many items an input of Merge may put before the caller takes the buffer.
const mergeAhead = 16

// Merge returns the items of all inputs, as they come.
func Merge[T any](ctx context.Context, in []iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		g := &gather[T]{ahead: mergeAhead, wakeAt: 1}
		g.run(ctx, in, func() {
			for items := g.receive(nil); len(items) > 0; items = g.receive(items) {
				for i, v := range items {
					if ctx.Err() != nil || !yield(v) {
						return
					}
					clear(items[i : i+1])
				}
			}
		})
	}
}

// Chunk returns the items in slices of n. A slice is shorter if its items do not come within
// maxWait after the first, or if the input has ended. There is no time limit if maxWait is 0.
func Chunk[T any](ctx context.Context, in iter.Seq[T], n int, maxWait time.Duration) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		g := &gather[T]{ahead: n, wakeAt: n, maxWait: maxWait}
		g.run(ctx, []iter.Seq[T]{in}, func() {
			for last := 0; ; {
				chunk := g.receive(make([]T, 0, last))
				if last = len(chunk); last == 0 || !yield(chunk) {
					return
				}
			}
		})
	}
}

// A gather is one range loop over the sequence that Merge or Chunk has returned.
type gather[T any] struct {
	loop
	ahead   int           // how many items a reader may put before the caller takes the buffer
	wakeAt  int           // the caller waits for this many items
	maxWait time.Duration // how long after the first of them; 0 is no limit
	puts    race.Point    // from each put to each later take
	ready   chan struct{} // holds a wake-up if the caller should look again

	// Guarded by mu.

	items   []T
	since   time.Time // when the first of items came, if maxWait is not 0
	taken   int       // how often the caller has taken the buffer
	waiting []*reader // readers that wait until the caller takes the buffer
	readers int       // readers that have not ended
}

// A reader is the goroutine that runs one input.
type reader struct {
	room  chan struct{} // holds a wake-up if the reader may go on
	put   int           // items that it has put since the caller took the buffer; guarded by mu
	taken int           // the value of gather.taken at the last put; guarded by mu
}

// run starts the readers, and calls body in the caller's goroutine. run stops and joins the readers
// when body has returned.
func (g *gather[T]) run(ctx context.Context, in []iter.Seq[T], body func()) {
	ctx, stop := chained(ctx)
	defer stop()
	g.begin(Call{Ctx: ctx}, 0, 0)
	g.ctx.made()
	g.ready = make(chan struct{}, 1)
	g.readers = len(in)
	for _, seq := range in {
		g.start(func() { g.read(seq) })
	}
	g.drive(body)
}

// read runs one input in its reader.
func (g *gather[T]) read(seq iter.Seq[T]) {
	// This is deferred, because an input may panic in a deferred function after it has called
	// Goexit.
	defer func() {
		race.Do(func() {
			g.mu.Lock()
			g.readers--
			g.mu.Unlock()
		})
		race.Send(g.ready, struct{}{})
	}()
	defer g.reads()()
	r := &reader{room: make(chan struct{}, 1)}
	core.Call(func() {
		for v := range seq {
			if !g.put(r, v) {
				return
			}
		}
	}, g.abort) // the items before are still yielded
}

// put adds an item, and blocks until the reader may pull another. It reports false if no more items
// are needed.
func (g *gather[T]) put(r *reader, v T) bool {
	if g.ended.Load() {
		return false
	}
	g.puts.Release()
	if !race.Get(func() bool { return g.add(r, v) }) {
		return true
	}
	select {
	case <-r.room:
		return true
	case <-g.ctx.Done():
		return false
	}
}

// add adds an item to the buffer. It reports whether the reader must wait for room.
func (g *gather[T]) add(r *reader, v T) (waits bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.taken != g.taken {
		r.taken, r.put = g.taken, 0
	}
	r.put++
	g.items = append(g.items, v)
	n, timed := len(g.items), g.maxWait > 0
	if n == 1 && timed {
		g.since = time.Now()
	}
	if n == g.wakeAt || n == 1 && timed {
		race.Send(g.ready, struct{}{})
	}
	if waits = r.put >= g.ahead; waits {
		g.waiting = append(g.waiting, r)
	}
	return waits
}

// receive blocks until there are enough items for the caller, and returns them. It returns no items
// if the context is done or no items are left. Readers put further items in next.
func (g *gather[T]) receive(next []T) []T {
	for g.call.Ctx.Err() == nil {
		b := race.Get(func() received[T] { return g.swap(next) })
		if b.enough {
			g.puts.Acquire()
			return race.Copy(b.items)
		}
		var up <-chan time.Time
		if b.left > 0 {
			up = time.After(b.left)
		}
		g.shown.Blocked()
		select {
		case <-g.ready:
		case <-up:
		case <-g.call.Ctx.Done():
		}
		g.shown.Woken()
	}
	return nil
}

// received holds the items for the caller, or says how long it should wait for more.
type received[T any] struct {
	enough bool          // the caller need not wait
	items  []T           // empty if no more will come
	left   time.Duration // until maxWait has passed; 0 if the caller waits without a time limit
}

// swap takes the buffer if it has enough items, or no more will come in time. It makes next the new
// buffer then.
func (g *gather[T]) swap(next []T) (b received[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := len(g.items)
	b.enough = n >= g.wakeAt || g.readers == 0
	if !b.enough && n > 0 && g.maxWait > 0 {
		b.left = g.maxWait - time.Since(g.since)
		b.enough = b.left <= 0
	}
	if !b.enough {
		return b
	}
	b.items, g.items = g.items, next[:0]
	g.taken++
	for _, r := range g.waiting {
		race.Send(r.room, struct{}{})
	}
	g.waiting = g.waiting[:0]
	return b
}
