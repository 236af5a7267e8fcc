package pool

import (
	"context"
	"runtime"
	"time"

	"github.com/coterie-go/coterie/core"
)

// A mapWorker is what one who runs items has claimed.
type mapWorker[T any] struct {
	pace  pace
	items []T
	at    int    // the next of items
	first uint64 // the number of items[0]

	pulling bool // it holds the input; within another loop or a pool
}

// callWorker sees to it that somebody will look for items. What it is called for has
// been published.
func (m *mapping[T, R]) callWorker() {
	if m.idle.Load() > 0 {
		if !m.waking.Load() && m.waking.CompareAndSwap(false, true) {
			select {
			case m.work <- struct{}{}:
			default: // there is a call that nobody has taken
			}
		}
		return
	}
	if m.short() && !m.joining.Load() && m.joining.CompareAndSwap(false, true) && !m.enlist(m.helper, nil) {
		m.joining.Store(false)
	}
}

// helper is the life of a worker.
func (m *mapping[T, R]) helper() {
	m.joining.Store(false)
	w := &mapWorker[T]{pace: newPace(m.clock, m.clock.now())}
	core.Call(func() {
		for m.claim(w) || m.waitItem(w) {
			if !m.runClaimed(w) {
				return
			}
		}
	}, func(p *core.PanicError) { m.abortItem(w, p) })
}

// claim takes items from the ring, or reports false if there are none.
func (m *mapping[T, R]) claim(w *mapWorker[T]) bool {
	m.claims.Lock()
	head := m.head.Load()
	left := int(m.tail.Load() - head)
	n := min(w.pace.take, 1+left/(2*m.workers), left)
	w.items, w.at, w.first = w.items[:0], 0, head
	for i := range n {
		c := m.cell(head + uint64(i))
		w.items = append(w.items, c.item)
		var zero T
		c.item = zero
	}
	m.head.Store(head + uint64(n))
	m.claims.Unlock()
	if n < left {
		m.callWorker()
	}
	return n > 0
}

// waitItem waits for an item, and claims it; or it reports false if there will be
// none.
//
// A call that it does not take stays for the next who waits. So as long as waking is
// set there is a call, or one is about to be made, or somebody who has taken it is
// about to look for items, after having unset it: whoever is passed over because of
// waking is not forgotten.
func (m *mapping[T, R]) waitItem(w *mapWorker[T]) bool {
	for {
		m.idle.Add(1)
		if m.head.Load() == m.tail.Load() {
			select {
			case <-m.work:
				m.waking.Store(false)
			case <-m.noMore:
			case <-m.ctx.Done():
			}
		}
		m.idle.Add(-1)
		if m.claim(w) {
			w.pace.restart()
			return true
		}
		if m.done() || m.ended.Load() && m.head.Load() == m.tail.Load() {
			return false
		}
	}
}

// runClaimed runs the items that w has claimed, or reports false if no further one
// is to start.
func (m *mapping[T, R]) runClaimed(w *mapWorker[T]) bool {
	if m.done() {
		return false
	}
	f, ctx := m.f, context.Context(&m.ctx)
	for i, v := range w.items {
		k := w.first + uint64(i)
		if w.at = i; m.look.Load() || k > m.bad.Load() {
			return false
		}
		if core.RaceHidden {
			m.itemApart(k, v)
			continue
		}
		r, err := f(ctx, v)
		m.finish(k, r, err)
	}
	if w.pace.count(len(w.items)) && !m.clock.frozen {
		m.adapt(w.pace.each)
	}
	return true
}

// adapt makes the window fit items that take a time.
func (m *mapping[T, R]) adapt(each time.Duration) {
	window := min(max(int64(m.workers)*int64(ahead/each), int64(m.least)), int64(m.most))
	if window != m.window.Load() {
		m.window.Store(window)
	}
	if m.quick() {
		// Workers that never wait would keep the reader and the consumer,
		// whom they have called, from running until there is nothing to do.
		runtime.Gosched()
	}
}

// itemApart runs an item in a goroutine of its own.
func (m *mapping[T, R]) itemApart(k uint64, v T) {
	m.apart(func() {
		r, err := m.f(&m.ctx, v)
		m.finish(k, r, err)
	}, func(p *core.PanicError) { m.finishBad(k, *new(R), aborted(p)) })
}

// abortItem records that the item at which w is has panicked, or, if p is nil, has
// called Goexit.
func (m *mapping[T, R]) abortItem(w *mapWorker[T], p *core.PanicError) {
	m.finishBad(w.first+uint64(w.at), *new(R), aborted(p))
}
