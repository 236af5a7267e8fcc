// This file holds the workers of a stream: how they are woken, how they claim items, and how they
// pass results to the consumer. Invariant: items are claimed in their order, each once. Each item
// that is claimed and comes before the first failed one gets a result.

package loop

import (
	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// A streamWorker holds the items that one worker has claimed.
type streamWorker[T any] struct {
	grain grainSizer
	items []T
	at    int    // index in items of the item that runs
	first uint64 // the number of items[0]
}

// wakeWorker wakes a worker that waits, or starts one if none waits and it may. The caller has
// published an item.
func (s *stream[T, R]) wakeWorker() {
	if s.idle.Load() > 0 {
		if !s.waking.Load() && s.waking.CompareAndSwap(false, true) {
			race.Send(s.work, struct{}{})
		}
		return
	}
	if !s.wantsHelper() || s.starting.Load() || !s.starting.CompareAndSwap(false, true) {
		return
	}
	if !s.startHelper(s.helper, s.helperLeft) {
		s.starting.Store(false)
	} else if s.call.Workers > eagerWorkers && s.roomAt.Load() != 0 {
		race.Send(s.room, struct{}{}) // a further worker makes more room
	}
}

// helper runs a helper. Within another loop or a pool, the helper leaves when there is no item,
// because other tasks may need its worker. The body of the range loop may be one of them.
func (s *stream[T, R]) helper() {
	s.starting.Store(false)
	s.serve(!s.nested)
}

// helperLeft is called when a helper is no longer counted. The reader publishes an item before it
// checks whether a helper is wanted. A helper is uncounted before helperLeft checks for items. So
// one of the two wakes a worker.
func (s *stream[T, R]) helperLeft() {
	if s.head.Load() != s.tail.Load() && !s.done() {
		s.wakeWorker()
	}
}

// serve runs items until the loop has ended. It also returns when there is no item if waits is
// false.
func (s *stream[T, R]) serve(waits bool) {
	w := &streamWorker[T]{grain: newGrainSizer(s.clock, s.clock.now())}
	core.Call(func() {
		for s.claim(w) || waits && s.waitItem(w) {
			if !s.runClaimed(w) {
				return
			}
		}
	}, func(p *core.PanicError) { s.finish(w.first+uint64(w.at), *new(R), aborted(p)) })
}

// claim takes items from the ring. It reports false if there are none.
func (s *stream[T, R]) claim(w *streamWorker[T]) bool {
	s.claims.Lock()
	head := s.head.Load()
	left := int(s.tail.Load() - head)
	n := min(w.grain.size, 1+left/(2*min(s.call.Workers, eagerWorkers)), left)
	w.items, w.first = w.items[:0], head
	for i := range n {
		c := s.cell(head + uint64(i))
		w.items = append(w.items, c.item)
		var zero T
		c.item = zero
	}
	s.head.Store(head + uint64(n))
	s.claims.Unlock()
	if n < left {
		s.wakeWorker()
	}
	return n > 0
}

// waitItem blocks until there is an item, and claims it. It reports false if there will be none.
//
// A wake-up that no worker takes stays in work for the next worker that waits. So while waking is
// set, work holds a wake-up, or a goroutine is about to put one there, or a worker that has taken
// it is about to clear waking and then look for items. So wakeWorker need not send one if waking is
// set.
func (s *stream[T, R]) waitItem(w *streamWorker[T]) bool {
	for {
		s.idle.Add(1)
		if s.head.Load() == s.tail.Load() {
			select {
			case <-s.work:
				s.waking.Store(false)
			case <-s.inputDone:
			case <-s.ctx.Done():
			}
		}
		s.idle.Add(-1)
		if s.claim(w) {
			w.grain.restart()
			return true
		}
		if s.done() || s.exhausted(s.head.Load()) {
			return false
		}
	}
}

// runClaimed runs the items that w has claimed. It reports false if no further item may start.
func (s *stream[T, R]) runClaimed(w *streamWorker[T]) bool {
	if s.done() {
		return false
	}
	for i, v := range w.items {
		var zero T
		w.items[i] = zero // so that no item that has ended is kept
		k := w.first + uint64(i)
		if w.at = i; s.check.Load() || k > s.firstFailed.Load() {
			return false
		}
		if race.Hidden {
			race.Isolate(&s.itemEnds, func() {
				core.Call(func() { s.runItem(k, v) }, func(p *core.PanicError) { s.finish(k, *new(R), aborted(p)) })
			})
			continue
		}
		s.runItem(k, v)
	}
	if w.grain.count(len(w.items)) && !s.clock.frozen {
		s.adapt(w.grain.each)
	}
	return true
}

func (s *stream[T, R]) runItem(k uint64, v T) {
	r, err := s.f(&s.ctx, v)
	if err != nil {
		s.finish(k, r, &outcome{err: err})
		return
	}
	s.finish(k, r, nil)
}

// finish puts the result of item k in its cell, and wakes the consumer if it waits for that result.
// failed is nil if the item has succeeded. If results are unordered, a failed item ends the loop.
// If they are ordered, it ends the loop for the items after it; the items before it continue.
func (s *stream[T, R]) finish(k uint64, r R, failed *outcome) {
	if failed != nil && failed.err == nil {
		s.addOutcome(*failed)
	}
	switch {
	case !s.ordered:
		k = s.finished.Add(1) - 1 // before the results of the items that stop cancels
		if failed != nil {
			s.stop(failed.err)
		}
	case failed != nil:
		for first := s.firstFailed.Load(); k < first && !s.firstFailed.CompareAndSwap(first, k); {
			first = s.firstFailed.Load()
		}
	}
	c := s.cell(k)
	c.value = r
	if failed != nil {
		c.failed = failed
	}
	c.seq.Store(k + 1)
	if s.resultAt.Load() == k+1 {
		race.Send(s.results, struct{}{})
	}
	if s.firstFailed.Load() != none {
		s.settle()
	}
}

// settle ends the loop if all items before the first failed one have finished.
func (s *stream[T, R]) settle() {
	first := s.firstFailed.Load()
	r := *s.ring.Load() // loaded before yielded, so that r has the cells of all items in flight
	for k := s.yielded.Load(); k <= first; k++ {
		if r.cell(k).seq.Load() <= k {
			return
		}
	}
	s.stop(r.cell(first).failed.err)
}
