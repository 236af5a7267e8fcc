// This file holds what gathers the items of inputs for the caller, behind Merge and Chunk. Each
// input has a goroutine, its reader, which adds items to a buffer. The caller takes all that is
// there at a time. A reader may be so many items ahead of the caller; then it waits until the
// caller takes.
//
// In race builds the bookkeeping is hidden, because it would order the inputs. What is
// promised is an edge from an item to the body of the caller's loop.
//
// Invariant: while the caller waits, the buffer does not hold what it waits for, or there is a
// call in ready.

package loop

import (
	"context"
	"iter"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// mergeAhead is how many items an input of Merge may put before the caller takes.
const mergeAhead = 16

// Merge returns the sequence of the items of all inputs, as they come.
func Merge[T any](ctx context.Context, in []iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		g := &gather[T]{ahead: mergeAhead, callAt: 1}
		g.run(ctx, in, func() {
			for items := g.take(nil); len(items) > 0; items = g.take(items) {
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

// Chunk returns the items in slices of n, or fewer if they do not come within a time after the
// first, unless that is 0.
func Chunk[T any](ctx context.Context, in iter.Seq[T], n int, within time.Duration) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		g := &gather[T]{ahead: n, callAt: n, within: within}
		if within > 0 {
			g.timer = time.NewTimer(within)
			defer g.timer.Stop()
		}
		g.run(ctx, []iter.Seq[T]{in}, func() {
			for last := 0; ; {
				chunk := g.take(make([]T, 0, last))
				if last = len(chunk); last == 0 || !yield(chunk) {
					return
				}
			}
		})
	}
}

// A gather is one range over what Merge or Chunk has returned.
type gather[T any] struct {
	loop
	ahead  int           // items that a reader may put before the caller takes
	callAt int           // items that the caller waits for
	within time.Duration // for so long after the first of them; 0 is no bound
	timer  *time.Timer   // the caller's; nil if within is 0
	puts   race.Point    // orders items before the caller's takes
	ready  chan struct{} // calls the caller

	// Guarded by mu.

	items   []T
	since   time.Time // when the first of items came, if within is not 0
	taken   int       // how often the caller has taken
	waiting []*reader // for that
	readers int       // that have not ended
}

// A reader runs one input.
type reader struct {
	room  chan struct{} // calls it
	put   int           // items since the caller has taken for the last time; guarded by mu
	taken int           // how often it had taken then; guarded by mu
}

// run starts the readers and calls body in the caller's goroutine.
func (g *gather[T]) run(ctx context.Context, in []iter.Seq[T], body func()) {
	g.begin(Call{Ctx: ctx}, 0, 0)
	g.ctx.made()
	g.ready = make(chan struct{}, 1)
	g.readers = len(in)
	g.own = new(goroutines)
	for _, seq := range in {
		g.own.TryGo(func() { g.read(seq) })
	}
	g.drive(body)
}

// read is the life of a reader.
func (g *gather[T]) read(seq iter.Seq[T]) {
	// Deferred, since an input may panic in a deferred function when it has called Goexit.
	defer func() {
		race.Do(func() {
			g.mu.Lock()
			g.readers--
			g.mu.Unlock()
		})
		race.Send(g.ready, struct{}{})
	}()
	g.setLabels()
	r := &reader{room: make(chan struct{}, 1)}
	core.Call(func() {
		for v := range seq {
			if !g.put(r, v) {
				return
			}
		}
	}, func(p *core.PanicError) { g.abort(p) }) // the items before are yielded all the same
}

// put adds an item, and waits until a further one may be pulled. It reports false if none is
// needed.
func (g *gather[T]) put(r *reader, v T) bool {
	if g.ended.Load() {
		return false
	}
	g.puts.Release()
	type result struct{ calls, waits bool }
	then := race.Get(func() result {
		g.mu.Lock()
		defer g.mu.Unlock()
		if r.taken != g.taken {
			r.taken, r.put = g.taken, 0
		}
		r.put++
		g.items = append(g.items, v)
		n := len(g.items)
		if n == 1 && g.within > 0 {
			g.since = time.Now()
		}
		waits := r.put >= g.ahead
		if waits {
			g.waiting = append(g.waiting, r)
		}
		return result{n == g.callAt || n == 1 && g.within > 0, waits}
	})
	if then.calls {
		race.Send(g.ready, struct{}{})
	}
	if !then.waits {
		return true
	}
	select {
	case <-r.room:
		return true
	case <-g.ctx.Done():
		return false
	}
}

// take returns what the caller waits for when it is there, or nothing if the context is done or
// no items are left. Readers put further items in next.
func (g *gather[T]) take(next []T) []T {
	for g.call.Ctx.Err() == nil {
		type result struct {
			items   []T
			waiting []*reader
			ends    bool          // there will be no more items
			left    time.Duration // until the items are to be taken; 0 if there is no such time
		}
		r := race.Get(func() (r result) {
			g.mu.Lock()
			defer g.mu.Unlock()
			r.ends = g.readers == 0
			if n := len(g.items); n > 0 && n < g.callAt && !r.ends {
				if g.within > 0 {
					r.left = g.within - time.Since(g.since)
				}
				if r.left <= 0 && g.within > 0 {
					r.ends = true
				}
			}
			if len(g.items) < g.callAt && !r.ends {
				return r
			}
			r.items, g.items = g.items, next[:0]
			r.waiting, g.waiting = g.waiting, nil
			g.taken++
			return r
		})
		if r.items != nil || r.ends {
			g.puts.Acquire()
			for _, waiting := range race.Copy(r.waiting) {
				race.Send(waiting.room, struct{}{})
			}
			return race.Copy(r.items)
		}
		g.pause(r.left)
	}
	return nil
}

// pause blocks until the caller is called, or the context is done, or, if it is not 0, a time
// is up.
func (g *gather[T]) pause(left time.Duration) {
	var up <-chan time.Time
	if left > 0 {
		g.timer.Reset(left)
		up = g.timer.C
	}
	select {
	case <-g.ready:
	case <-up:
	case <-g.call.Ctx.Done():
	}
}
