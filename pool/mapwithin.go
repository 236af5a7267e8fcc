package pool

import (
	"context"
	"iter"

	"github.com/coterie-go/coterie/core"
)

// runWithin runs the loop where the caller's goroutine may be the only one, and is
// one of the workers. Whoever has nothing to do pulls an item and runs it; the
// caller does so if there is no result to be yielded. The input sequence is a
// coroutine, so that each can pull.
//
// A helper that finds no room for a further item leaves, because the body of the loop
// may wait for something that needs the helper's worker. The caller makes room and then
// looks how many helpers there are; and a helper first leaves and then looks whether
// there is room. So one of them finds that a helper is to be called.
func (m *mapping[T, R]) runWithin(seq iter.Seq[T], yield func(R, error) bool) (r R, err error) {
	next, stop := iter.Pull(seq)
	m.input = make(chan struct{}, 1)
	defer func() {
		m.stop(context.Canceled)
		m.wait()
		core.Call(stop, m.unread)
	}()
	k := uint64(0)
	running := false
	defer func() {
		if running { // what the caller ran has called Goexit
			m.yieldBefore(k, yield)
		}
	}()
	w := &mapWorker[T]{pace: newPace(m.clock, m.clock.now())}
	for {
		if err = m.cause(); err != nil {
			return r, err
		}
		if m.has(k) {
			c := m.cell(k)
			if c.bad != nil {
				return c.value, m.causeOf(c.bad.err)
			}
			if !m.yield(c, yield) {
				return r, nil
			}
			k++
			m.yielded.Store(k)
			m.callHelper(next)
			continue
		}
		if m.exhausted(k) {
			return r, nil
		}
		if m.awaitOrHold(k) {
			running = true
			core.Call(func() {
				if m.pull(w, next) {
					m.runClaimed(w)
				}
			}, func(p *core.PanicError) { m.abortWithin(w, p) })
			running = false
		}
	}
}

// yieldBefore yields the results from k on that come before the first item without
// one, as the other workers finish them.
func (m *mapping[T, R]) yieldBefore(k uint64, yield func(R, error) bool) {
	for m.cause() == nil && !m.exhausted(k) {
		if !m.has(k) {
			m.awaitOnce(k)
			continue
		}
		if c := m.cell(k); c.bad != nil || !m.yield(c, yield) {
			return
		}
		k++
		m.yielded.Store(k)
	}
}

// awaitOrHold waits until it seems that there is result k, or the caller holds the
// input and there is room for an item; then it returns true.
func (m *mapping[T, R]) awaitOrHold(k uint64) bool {
	var input chan<- struct{}
	if m.mayPull() {
		input = m.input
	}
	m.resultAt.Store(k + 1)
	defer m.resultAt.Store(0)
	if m.has(k) || m.exhausted(k) {
		return false
	}
	select {
	case input <- struct{}{}:
		if m.mayPull() { // still: whoever has held the input has pulled
			return true
		}
		<-m.input
	case <-m.result:
	case <-m.parent.Done():
	}
	return false
}

// mayPull reports whether a further item is needed and there is room for it.
func (m *mapping[T, R]) mayPull() bool {
	return !m.ended.Load() && m.bad.Load() == none && m.tail.Load()-m.yielded.Load() < uint64(m.window.Load())
}

// callHelper enlists a helper if there is something to do for it.
func (m *mapping[T, R]) callHelper(next func() (T, bool)) {
	if !m.short() || !m.mayPull() || m.stopped.Load() || !m.joining.CompareAndSwap(false, true) {
		return
	}
	if !m.enlist(func() { m.helperWithin(next) }, func() { m.callHelper(next) }) {
		m.joining.Store(false)
	}
}

// helperWithin is the life of a helper.
func (m *mapping[T, R]) helperWithin(next func() (T, bool)) {
	m.joining.Store(false)
	w := &mapWorker[T]{pace: newPace(m.clock, m.clock.now())}
	core.Call(func() {
		for m.hold() && m.pull(w, next) && m.runClaimed(w) {
		}
	}, func(p *core.PanicError) { m.abortWithin(w, p) })
}

// hold waits until the helper holds the input. It reports false if no further item is
// needed, or there is no room for it.
func (m *mapping[T, R]) hold() bool {
	select {
	case m.input <- struct{}{}:
	case <-m.ctx.Done():
		return false
	}
	if !m.mayPull() {
		<-m.input
		return false
	}
	return true
}

// pull pulls an item, for which it lets go of the input, and sees to it that
// somebody else can pull the next. It reports false if there is none.
func (m *mapping[T, R]) pull(w *mapWorker[T], next func() (T, bool)) bool {
	w.pulling = true
	w.items = w.items[:0]
	ok := !m.ended.Load() && m.bad.Load() == none && !m.done()
	var v T
	if ok {
		if v, ok = next(); !ok {
			m.end()
		}
	}
	if ok {
		w.at, w.first = 0, m.tail.Load()
		w.items = append(w.items, v)
		m.segment(w.first)
		m.head.Store(w.first + 1)
		m.tail.Store(w.first + 1)
	}
	w.pulling = false
	<-m.input
	if ok {
		m.callHelper(next)
	}
	return ok
}

// abortWithin is called when a worker has panicked, or, if p is nil, has called
// Goexit: in the input, which it holds, or in an item.
func (m *mapping[T, R]) abortWithin(w *mapWorker[T], p *core.PanicError) {
	if !w.pulling {
		m.abortItem(w, p)
		return
	}
	m.note(aborted(p))
	m.end()
	<-m.input
}
