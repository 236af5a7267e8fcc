// This file holds the stream behind Map, MapUnordered, Then, ThenUnordered and Each: its
// reader and its consumer. streamworker.go has its workers.
//
// The reader is a goroutine that runs the input. The consumer is the caller. Items and
// results go through a ring: the reader writes the item at tail, the workers claim items
// from head on, in order, and write results, and the consumer yields them. An item is in
// flight from its pull until the consumer asks for what comes after its result. The
// reader bounds the items in flight.
//
// Within an item of another loop or a task of a pool, the caller's goroutine holds a
// place. It only waits, or runs the body of the range loop, so it lends its place to one
// worker. That one is a goroutine of the stream's own, which needs neither the pool nor
// the budget. So a nested stream behaves like any other. The other workers come from the
// pool or the budget, and leave when there is no item.
//
// A goroutine that finds nothing to do says that it waits, looks once more, and only then
// sleeps. Its waker first publishes, and then looks who waits. docs/model has this, for the
// workers, as a program for a model checker.
//
// Invariant: while an item is unclaimed, a worker is about to look for items, or all
// workers that there may be are busy.

package loop

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// An Input is what a stream reads: one of the two.
type Input[T any] struct {
	Seq     iter.Seq[T]
	Failing iter.Seq2[T, error] // the first error ends it
}

// Map returns the sequence of the results of f for each item of the input, in the order
// of the input or as they finish.
func Map[T, R any](call Call, in Input[T], ordered bool, f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		s := &stream[T, R]{in: in, f: f, ordered: ordered, nested: call.nested()}
		s.run(call, yield)
	}
}

// A stream is one range over the sequence that Map has returned.
type stream[T, R any] struct {
	loop
	in      Input[T]
	f       func(ctx context.Context, v T) (R, error)
	ordered bool
	nested  bool // the caller's goroutine holds a place, which it lends

	// Written rarely.

	ring        atomic.Pointer[ring[T, R]]
	window      atomic.Int64  // see maxInFlight; 0 unless items have been measured to be quick
	firstFailed atomic.Uint64 // the first item known not to have a result; where results are ordered
	inputErr    error         // what the input has failed with; written before inputDone is closed
	inputDone   chan struct{} // closed when there are no more items than tail
	starting    atomic.Bool   // a helper has been started that has not begun
	work        chan struct{} // calls a worker
	room        chan struct{} // calls the reader
	results     chan struct{} // calls the consumer
	_           cacheLine

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

// A cacheLine separates what different goroutines write.
type cacheLine [64]byte

const (
	leastWindow = 4    // for each worker
	mostWindow  = 1024 // for each worker, and for at most four of them
	// ahead is the measured work that a window holds for each worker, at most:
	// enough for the time that waking a worker or the reader takes.
	ahead = time.Millisecond
	// eagerWorkers is how many workers count before they have been started. Beyond
	// that a number of workers costs nothing until they are used.
	eagerWorkers = 64

	none = ^uint64(0)
)

func (s *stream[T, R]) run(call Call, yield func(R, error) bool) {
	helpers := call.Workers
	if s.nested {
		helpers--
	}
	s.begin(call, helpers, helpers)
	s.ctx.made()
	s.watchContext()
	s.ring.Store(&ring[T, R]{nil, nil})
	s.firstFailed.Store(none)
	s.inputDone = make(chan struct{})
	s.work = make(chan struct{}, 1)
	s.room = make(chan struct{}, 1)
	s.results = make(chan struct{}, 1)
	s.limit = s.maxInFlight()

	s.own = new(goroutines)
	s.own.TryGo(s.read)
	if s.nested {
		s.own.TryGo(s.lentWorker)
	}
	var r R
	var err error
	s.drive(func() { r, err = s.consume(yield) })
	if err != nil {
		yield(r, err)
	}
}

// cell returns the cell of an item or a result, which must be in flight.
func (s *stream[T, R]) cell(k uint64) *cell[T, R] { return (*s.ring.Load()).cell(k) }

// read is the life of the reader.
func (s *stream[T, R]) read() {
	// Deferred, since an input may panic in a deferred function when it has called Goexit.
	defer func() {
		close(s.inputDone)
		race.Send(s.results, struct{}{})
	}()
	s.setLabels()
	core.Call(func() {
		if s.in.Failing == nil {
			for v := range s.in.Seq {
				if !s.put(v) {
					return
				}
			}
			return
		}
		for v, err := range s.in.Failing {
			if s.inputErr = err; err != nil || !s.put(v) {
				return
			}
		}
	}, func(p *core.PanicError) { s.note(aborted(p)) }) // results of the items before are yielded all the same
}

// put adds an item to the ring, and waits for room for a further one. It reports false
// if no more are needed.
func (s *stream[T, R]) put(v T) bool {
	if s.ended.Load() || s.firstFailed.Load() != none {
		return false
	}
	k := s.tail.Load()
	if (k%8 == 0 || !s.quick()) && s.call.Ctx.Err() != nil {
		return false
	}
	if k%segmentSize == 0 {
		s.beginSegment(k)
	}
	s.current[k%segmentSize].item = v
	s.tail.Store(k + 1)
	if s.idle.Load() == 0 || !s.waking.Load() {
		s.callWorker()
	}
	return k+1 < s.limit || s.waitRoom()
}

// beginSegment makes current the segment that begins with item k.
func (s *stream[T, R]) beginSegment(k uint64) {
	r := s.ring.Load()
	if first := s.yielded.Load(); !r.hasPlace(k, first) {
		r = r.grown(k, first)
		s.ring.Store(r)
	}
	place := r.place(k)
	if *place == nil {
		*place = new(segment[T, R])
	}
	s.current = *place
}

// leastInFlight is how many items may be in flight in any case.
func (s *stream[T, R]) leastInFlight() int {
	workers := s.call.Workers
	if workers > eagerWorkers {
		workers = min(workers, eagerWorkers+int(s.helpers.Load()))
	}
	return leastWindow * workers
}

// maxInFlight is how many items may be in flight.
func (s *stream[T, R]) maxInFlight() uint64 {
	return uint64(max(s.leastInFlight(), int(s.window.Load())))
}

// quick reports whether items have been measured to be quick.
func (s *stream[T, R]) quick() bool { return s.window.Load() > 0 }

// adapt makes the window fit items that take a time each.
func (s *stream[T, R]) adapt(each time.Duration) {
	workers := min(s.call.Workers, eagerWorkers)
	window := min(int64(workers)*int64(ahead/each), int64(mostWindow*min(workers, 4)))
	if window <= int64(s.leastInFlight()) {
		window = 0
	}
	if window != s.window.Load() {
		s.window.Store(window)
	}
	if window > 0 {
		// Workers that never wait would keep the reader and the consumer,
		// whom they have called, from running until there is nothing to do.
		runtime.Gosched()
	}
}

// done reports whether nothing further is to start.
func (s *stream[T, R]) done() bool { return s.ended.Load() || s.call.Ctx.Err() != nil }

// waitRoom waits until a further item may be pulled, or reports false if none is needed.
func (s *stream[T, R]) waitRoom() bool {
	for k := s.tail.Load(); ; {
		window := s.maxInFlight()
		if s.limit = s.yielded.Load() + window; k < s.limit {
			return true
		}
		at := k + 1 - min(window, k)
		if s.quick() {
			at = k - min(window/2, k) // so that a wake-up pays for many items
		}
		s.roomAt.Store(at)
		if s.yielded.Load() < at && s.maxInFlight() <= window {
			select {
			case <-s.room:
			case <-s.ctx.Done():
				return false
			}
		}
		s.roomAt.Store(0)
	}
}

// consume yields results until there are no more or the loop is left. It returns
// the last thing to be yielded, after the helpers have ended, unless err is nil.
func (s *stream[T, R]) consume(yield func(R, error) bool) (r R, err error) {
	pulled := uint64(0) // what tail was
	for k := uint64(0); ; k++ {
		if k == pulled || k%8 == 0 || !s.quick() || s.cell(k).seq.Load() != k+1 {
			if !s.await(k) {
				if s.call.Ctx.Err() != nil {
					return r, context.Cause(s.call.Ctx)
				}
				return r, s.inputErr
			}
			pulled = s.tail.Load()
		}
		c := s.cell(k)
		if c.failed != nil {
			return c.value, s.causeOf(c.failed.err)
		}
		value := c.value
		c.value = r // zero
		if !yield(value, nil) {
			return r, nil
		}
		if k%8 == 7 || !s.quick() {
			s.tellReader(k + 1)
		}
	}
}

// tellReader lets the reader know that k results have been yielded.
func (s *stream[T, R]) tellReader(k uint64) {
	s.yielded.Store(k)
	if at := s.roomAt.Load(); at != 0 && k >= at {
		race.Send(s.room, struct{}{})
	}
}

// has reports whether result k is there.
func (s *stream[T, R]) has(k uint64) bool {
	return k < s.tail.Load() && s.cell(k).seq.Load() == k+1
}

// exhausted reports whether there are only k items.
func (s *stream[T, R]) exhausted(k uint64) bool {
	select {
	case <-s.inputDone:
		return k == s.tail.Load()
	default:
		return false
	}
}

// await waits for result k. It reports false if there will be none, or the
// context is done.
func (s *stream[T, R]) await(k uint64) bool {
	for spins := 0; ; {
		if s.call.Ctx.Err() != nil {
			return false
		}
		if s.has(k) {
			return true
		}
		if s.exhausted(k) {
			return false
		}
		s.tellReader(k)
		if spins < 4 && s.quick() {
			spins++ // quick items: the result is about to come
			runtime.Gosched()
			continue
		}
		s.resultAt.Store(k + 1)
		if !s.has(k) && !s.exhausted(k) {
			select {
			case <-s.results:
			case <-s.call.Ctx.Done():
			}
		}
		s.resultAt.Store(0)
	}
}
