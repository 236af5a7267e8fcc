package pool

import (
	"context"
	"iter"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
)

// A mapping is one range over the sequence that Map or MapUnordered has returned.
//
// Its parts are a reader, which runs the input sequence, the workers, and the
// consumer, which is the caller. Items and results go through a ring: the reader
// writes the item at tail, the workers claim items from head on, in order, and
// write results, and the consumer yields them. An item is in flight from its pull
// until the consumer has asked for what comes after its result; the reader keeps
// those below window, which is between 4 and 1024 for each worker, and large only
// as long as items are measured to be quick. A worker claims one item at a time,
// or as many as are measured to take a few microseconds.
//
// Whoever finds nothing to do waits, and is woken by the one who has something:
// it says that it waits, looks once more, and only then sleeps; and the other
// first publishes, and then looks who waits. docs/model has this, for the workers,
// as a program for a model checker.
//
// Within an item of another loop or a task of a pool, where the caller's goroutine
// may be the only one, there are no such roles; see mapwithin.go.
type mapping[T, R any] struct {
	loop
	f       func(ctx context.Context, v T) (R, error)
	ordered bool
	workers int
	least   int // values of window
	most    int

	segments []*segment[T, R] // a ring of them; made by the reader, before tail passes them
	mask     uint64           // one less than the number of segments

	// Written rarely.

	window  atomic.Int64
	bad     atomic.Uint64 // the first item known not to have a result; where results are ordered
	ended   atomic.Bool   // there are no more items than tail
	joining atomic.Bool   // a worker has been enlisted that has not yet begun
	noMore  chan struct{} // closed when ended is set
	work    chan struct{} // calls a worker
	room    chan struct{} // calls the reader
	result  chan struct{} // calls the consumer
	input   chan struct{} // full while a goroutine holds the input; of runWithin
	_       cacheLine

	// Written by the reader.

	tail    atomic.Uint64  // items that have been pulled
	limit   uint64         // there is room for so many; the reader's
	current *segment[T, R] // that of the last item; the reader's
	roomAt  atomic.Uint64  // the reader waits for that many results to be yielded; 0 if it does not wait
	_       cacheLine

	// Written by workers.

	claims   sync.Mutex    // held to claim items
	head     atomic.Uint64 // items that have been claimed; written under claims
	finished atomic.Uint64 // results, where they are unordered
	idle     atomic.Int64  // workers that wait
	waking   atomic.Bool   // a worker has been called, see waitItem
	_        cacheLine

	// Written by the consumer.

	yielded  atomic.Uint64 // results, as far as the reader was told
	resultAt atomic.Uint64 // the consumer waits for this result, counted from 1; 0 if it does not wait
}

// A cacheLine keeps what is written by one goroutine apart from what is written by
// another.
type cacheLine [64]byte

const (
	segmentSize = 64
	leastWindow = 4    // for each worker
	mostWindow  = 1024 // for each worker
	// ahead is the measured work that a window holds for each worker, at most:
	// enough for the time that waking a worker or the reader takes.
	ahead = time.Millisecond
	// mostInFlight is the largest window of many workers.
	mostInFlight = 1 << 12

	none = ^uint64(0)
)

func mapSeq[T, R any](ctx context.Context, workers int, seq iter.Seq[T], f func(ctx context.Context, v T) (R, error), ordered bool) iter.Seq2[R, error] {
	workers = checkLoop(ctx, workers)
	if seq == nil {
		panic("pool: nil seq")
	}
	if f == nil {
		panic("pool: nil func")
	}
	return func(yield func(R, error) bool) {
		m := &mapping[T, R]{f: f, ordered: ordered, workers: workers}
		m.run(ctx, seq, yield)
	}
}

func (m *mapping[T, R]) run(ctx context.Context, seq iter.Seq[T], yield func(R, error) bool) {
	within := budgetOf(ctx) != nil || poolOf(ctx) != nil
	helpers := m.workers
	if within {
		helpers--
	}
	m.begin(ctx, helpers, helpers)
	m.ctx.made()
	m.least = leastWindow * m.workers
	m.most = max(m.least, min(mostWindow*m.workers, mostInFlight))
	n := 1 << bits.Len(uint(m.most/segmentSize)) // one more than needed
	m.segments, m.mask = make([]*segment[T, R], n), uint64(n-1)
	m.window.Store(int64(m.least))
	m.bad.Store(none)
	m.noMore = make(chan struct{})
	m.work = make(chan struct{}, 1)
	m.room = make(chan struct{}, 1)
	m.result = make(chan struct{}, 1)

	left := false
	defer func() {
		if !left { // a panic or a Goexit, which goes before those of items
			m.stop(context.Canceled)
			m.wait()
		}
	}()
	var r R
	var err error
	if within {
		r, err = m.runWithin(seq, yield)
	} else {
		m.start(func() { m.read(seq) })
		r, err = m.consume(yield)
	}
	m.stop(context.Canceled)
	m.join()
	left = true
	if err != nil {
		yield(r, err)
	}
}

// cell returns the cell of an item or a result. It must be below tail, but for the
// reader.
func (m *mapping[T, R]) cell(k uint64) *cell[T, R] {
	return &m.segments[k/segmentSize&m.mask][k%segmentSize]
}

// read is the life of the reader.
func (m *mapping[T, R]) read(seq iter.Seq[T]) {
	core.Call(func() {
		for v := range seq {
			if !m.put(v) || m.tail.Load() >= m.limit && !m.waitRoom() {
				break
			}
		}
	}, m.unread)
	m.end()
}

// unread records that the input sequence has panicked, or, if p is nil, has called
// Goexit. The results of the items before that are yielded all the same.
func (m *mapping[T, R]) unread(p *core.PanicError) {
	m.note(aborted(p))
	if p == nil {
		m.end()
	}
}

// end tells everybody that there are no more items.
func (m *mapping[T, R]) end() {
	if m.ended.CompareAndSwap(false, true) {
		close(m.noMore)
	}
	m.callConsumer()
}

// put adds an item to the ring, or reports false if no more are needed.
func (m *mapping[T, R]) put(v T) bool {
	if m.stopped.Load() || m.bad.Load() != none {
		return false
	}
	k := m.tail.Load()
	if (k%8 == 0 || !m.quick()) && m.parent.Err() != nil {
		return false
	}
	m.segment(k)
	m.current[k%segmentSize].item = v
	m.tail.Store(k + 1)
	if m.idle.Load() == 0 || !m.waking.Load() {
		m.callWorker()
	}
	return true
}

// segment makes current the segment of the next item.
func (m *mapping[T, R]) segment(k uint64) {
	if k%segmentSize != 0 {
		return
	}
	s := &m.segments[k/segmentSize&m.mask]
	if *s == nil {
		*s = new(segment[T, R])
	}
	m.current = *s
}

// quick reports whether items have been measured to be quick.
func (m *mapping[T, R]) quick() bool { return m.window.Load() > int64(m.least) }

// done reports whether nothing further is to start.
func (m *mapping[T, R]) done() bool { return m.stopped.Load() || m.parent.Err() != nil }

// hasRoom reports whether a further item may be pulled.
func (m *mapping[T, R]) hasRoom() bool {
	k := m.tail.Load()
	if k >= m.limit {
		m.limit = m.yielded.Load() + uint64(m.window.Load())
	}
	return k < m.limit
}

// waitRoom waits until a further item may be pulled, or reports false if none is
// needed.
func (m *mapping[T, R]) waitRoom() bool {
	for !m.hasRoom() {
		k, window := m.tail.Load(), uint64(m.window.Load())
		at := k + 1 - min(window, k)
		if m.quick() {
			at = k - min(window/2, k) // so that a wake-up pays for many items
		}
		m.roomAt.Store(at)
		if m.yielded.Load() < at {
			select {
			case <-m.room:
			case <-m.ctx.Done():
				return false
			}
		}
		m.roomAt.Store(0)
	}
	return true
}

// finish hands the result of an item to the consumer.
func (m *mapping[T, R]) finish(k uint64, r R, err error) {
	if err != nil {
		m.finishBad(k, r, outcome{err: err})
		return
	}
	if !m.ordered {
		k = m.finished.Add(1) - 1
	}
	m.deliver(k, r, nil)
	if m.bad.Load() != none {
		m.settle()
	}
}

// finishBad hands the outcome of an item to the consumer that has no result.
// Unordered, that ends the loop. Ordered, it does so for the items after this one;
// those before it go on.
func (m *mapping[T, R]) finishBad(k uint64, r R, o outcome) {
	if o.err == nil {
		m.note(o)
	}
	if !m.ordered {
		k = m.finished.Add(1) - 1 // before those of the items that this cancels
		m.stop(o.err)
		m.deliver(k, r, &o)
		return
	}
	for bad := m.bad.Load(); k < bad && !m.bad.CompareAndSwap(bad, k); {
		bad = m.bad.Load()
	}
	m.deliver(k, r, &o)
	m.settle()
}

// deliver puts result k in its cell, and wakes the consumer if that waits for it.
func (m *mapping[T, R]) deliver(k uint64, r R, bad *outcome) {
	c := m.cell(k)
	c.value = r
	if bad != nil {
		c.bad = bad
	}
	c.stamp.Store(k + 1)
	if m.resultAt.Load() == k+1 {
		m.callConsumer()
	}
}

// settle cancels the items that run if those before the first without a result
// have all finished.
func (m *mapping[T, R]) settle() {
	bad := m.bad.Load()
	for k := m.yielded.Load(); k <= bad; k++ {
		if m.cell(k).stamp.Load() <= k {
			return
		}
	}
	m.stop(m.cell(bad).bad.err)
}

func (m *mapping[T, R]) callConsumer() {
	select {
	case m.result <- struct{}{}:
	default:
	}
}

// consume yields results until there are no more or the loop is left. It returns
// what is to be yielded last, when the helpers have ended, unless err is nil.
func (m *mapping[T, R]) consume(yield func(R, error) bool) (r R, err error) {
	pulled := uint64(0) // what tail was
	for k := uint64(0); ; k++ {
		if k == pulled || k%8 == 0 || !m.quick() || m.cell(k).stamp.Load() != k+1 {
			if !m.await(k) {
				return r, m.cause()
			}
			pulled = m.tail.Load()
		}
		c := m.cell(k)
		if c.bad != nil {
			return c.value, m.causeOf(c.bad.err)
		}
		if !m.yield(c, yield) {
			return r, nil
		}
		if k%8 == 7 || !m.quick() {
			m.tellReader(k + 1)
		}
	}
}

// cause returns why the parent context is done, or nil.
func (m *mapping[T, R]) cause() error {
	if m.parent.Err() != nil {
		return context.Cause(m.parent)
	}
	return nil
}

// yield yields the result in a cell.
func (m *mapping[T, R]) yield(c *cell[T, R], yield func(R, error) bool) bool {
	r := c.value
	var zero R
	c.value = zero
	return yield(r, nil)
}

// tellReader lets the reader know that k results have been yielded.
func (m *mapping[T, R]) tellReader(k uint64) {
	m.yielded.Store(k)
	if at := m.roomAt.Load(); at != 0 && k >= at {
		m.callReader()
	}
}

func (m *mapping[T, R]) callReader() {
	select {
	case m.room <- struct{}{}:
	default:
	}
}

// has reports whether there is a result k, or will be none.
func (m *mapping[T, R]) has(k uint64) bool {
	return k < m.tail.Load() && m.cell(k).stamp.Load() == k+1
}

// await waits for result k. It reports false if there will be none, or the
// context is done.
func (m *mapping[T, R]) await(k uint64) bool {
	for spins := 0; ; {
		if m.parent.Err() != nil {
			return false
		}
		if m.has(k) {
			return true
		}
		if m.exhausted(k) {
			return false
		}
		m.tellReader(k)
		if spins < 4 && m.quick() {
			spins++ // quick items: what is awaited is about to come
			runtime.Gosched()
			continue
		}
		m.awaitOnce(k)
	}
}

// awaitOnce sleeps until it seems that there is result k, or will be none, or the
// context is done.
func (m *mapping[T, R]) awaitOnce(k uint64) {
	m.resultAt.Store(k + 1)
	if !m.has(k) && !m.exhausted(k) {
		select {
		case <-m.result:
		case <-m.parent.Done():
		}
	}
	m.resultAt.Store(0)
}

// exhausted reports whether there are only k items.
func (m *mapping[T, R]) exhausted(k uint64) bool { return m.ended.Load() && k == m.tail.Load() }
