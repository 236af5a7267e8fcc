// This file holds the reader and the consumer of the stream behind Map, MapUnordered, Then,
// ThenUnordered and Each. streamworker.go has its workers.
//
// The reader is a goroutine that runs the input. The consumer is the caller. Items and
// results go through a ring: the reader writes the item at tail, the workers claim items
// from head on, in order, and write results, and the consumer yields them. An item is in flight
// from when the input yields it until the consumer asks for the result after the item's. The reader
// bounds the number of items in flight.
//
// If an item of another loop, or a task of a pool, runs the stream, the caller's goroutine holds a
// place. It only waits, or runs the body of the range loop, so it lends its place to one worker.
// That worker is a goroutine of the stream, and needs neither the pool nor the budget. So a nested
// stream behaves like any other. The other workers come from the pool or the budget, and leave when
// there is no item.
//
// A goroutine that finds nothing to do first writes that it waits, then looks again, and only then
// blocks. A goroutine that wakes it first publishes its change, and then reads whether a goroutine
// waits. docs/model has a version of this, for the workers, for a model checker.
//
// Invariant: while an item is unclaimed, a worker is about to look for items, or all workers are
// busy and there can be no further worker.

package loop

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// An Input is the sequence that a stream reads. One of its fields is set.
type Input[T any] struct {
	Seq     iter.Seq[T]
	Failing iter.Seq2[T, error] // its first error ends it
}

// Map returns the sequence of the results of f for each item of the input, in the order
// of the input or as they finish.
func Map[T, R any](call Call, in Input[T], ordered bool, f func(ctx context.Context, v T) (R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		s := &stream[T, R]{in: in, f: f, ordered: ordered, nested: call.nested()}
		s.run(call, yield)
	}
}

// A stream is one range loop over the sequence that Map has returned.
type stream[T, R any] struct {
	loop
	in      Input[T]
	f       func(ctx context.Context, v T) (R, error)
	ordered bool
	nested  bool // the caller's goroutine holds a place, which it lends

	// Written rarely.

	ring        atomic.Pointer[ring[T, R]]
	window      atomic.Int64  // how many items may be in flight, if more than leastInFlight; 0 unless items have been measured to be quick
	firstFailed atomic.Uint64 // the first item known to have failed; none if there is none; only if results are ordered
	inputErr    error         // the error of the input; written before inputDone is closed
	inputDone   chan struct{} // closed when the input has ended; tail is final then
	starting    atomic.Bool   // a helper was started and has not begun
	work        chan struct{} // holds a wake-up if a worker should look for items
	room        chan struct{} // holds a wake-up if the reader should look for room
	results     chan struct{} // holds a wake-up if the consumer should look for a result
	_           cacheLine

	// Written by the reader.

	tail    atomic.Uint64  // how many items have been pulled
	limit   uint64         // the reader may pull items until tail is limit; used by the reader only
	current *segment[T, R] // the segment of the last item; used by the reader only
	roomAt  atomic.Uint64  // the reader waits until this many results have been yielded; 0 if it does not wait
	_       cacheLine

	// Written by workers.

	claims   sync.Mutex    // locked to claim items
	head     atomic.Uint64 // how many items have been claimed; written under claims
	finished atomic.Uint64 // how many results there are; only if results are unordered
	idle     atomic.Int64  // how many workers wait
	waking   atomic.Bool   // a worker is being woken; see waitItem
	_        cacheLine

	// Written by the consumer.

	yielded  atomic.Uint64 // how many results have been yielded; lags behind by a few
	resultAt atomic.Uint64 // the number of the result for which the consumer waits, counted from 1; 0 if it does not wait
}

// A cacheLine separates fields that different goroutines write.
type cacheLine [64]byte

const (
	leastWindow = 4    // for each worker
	mostWindow  = 1024 // for each worker, for at most 4 workers
	// ahead is the most measured work that a window holds for each worker. It is enough for the
	// time in which a worker or the reader wakes.
	ahead = time.Millisecond
	// eagerWorkers is how many workers count before they have been started. Workers beyond that
	// number count, and cost, only when they have been started.
	eagerWorkers = 64

	none = ^uint64(0)
)

func (s *stream[T, R]) run(call Call, yield func(R, error) bool) {
	ctx, stop := chained(call.Ctx)
	defer stop()
	call.Ctx = ctx
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

	s.start(s.read)
	if s.nested {
		s.start(func() { s.serve(true) }) // the worker that has the caller's place
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

// read runs the input in the reader.
func (s *stream[T, R]) read() {
	// This is deferred, because an input may panic in a deferred function after it has called
	// Goexit.
	defer func() {
		close(s.inputDone)
		race.Send(s.results, struct{}{})
	}()
	defer s.reads()()
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
	}, func(p *core.PanicError) { s.addOutcome(*aborted(p)) }) // the results of the items before are still yielded
}

// put adds an item to the ring, and blocks until there is room for another. It reports false if no
// more items are needed.
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
		s.wakeWorker()
	}
	return k+1 < s.limit || s.waitRoom()
}

// beginSegment makes current the segment that begins with item k.
func (s *stream[T, R]) beginSegment(k uint64) {
	r := s.ring.Load()
	if first := s.yielded.Load(); !r.hasSlot(k, first) {
		r = r.grown(k, first)
		s.ring.Store(r)
	}
	slot := r.slot(k)
	if *slot == nil {
		*slot = new(segment[T, R])
	}
	s.current = *slot
}

// leastInFlight returns how many items may be in flight even if they are not quick.
func (s *stream[T, R]) leastInFlight() int {
	return leastWindow * min(s.call.Workers, eagerWorkers+int(s.helpers.Load()))
}

// maxInFlight returns how many items may be in flight.
func (s *stream[T, R]) maxInFlight() uint64 {
	return uint64(max(s.leastInFlight(), int(s.window.Load())))
}

// quick reports whether items have been measured to be quick.
func (s *stream[T, R]) quick() bool { return s.window.Load() > 0 }

// adapt sets the window for items that take the given time each.
func (s *stream[T, R]) adapt(each time.Duration) {
	workers := min(s.call.Workers, eagerWorkers)
	window := min(int64(workers)*int64(ahead/each), int64(mostWindow*min(workers, 4)))
	if window <= int64(s.leastInFlight()) {
		window = 0
	}
	if window != s.window.Load() {
		s.window.Store(window)
	}
}

// done reports whether no further item may start.
func (s *stream[T, R]) done() bool { return s.ended.Load() || s.call.Ctx.Err() != nil }

// waitRoom blocks until another item may be pulled. It reports false if no more items are needed.
func (s *stream[T, R]) waitRoom() bool {
	for k := s.tail.Load(); ; {
		window := s.maxInFlight()
		if s.limit = s.yielded.Load() + window; k < s.limit {
			return true
		}
		at := k + 1 - min(window, k)
		if s.quick() {
			at = k - min(window/2, k) // so that one wake-up serves many items
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

// consume yields results until there are no more, or the body leaves the loop. If err is not nil,
// run yields r and err when the helpers have ended.
func (s *stream[T, R]) consume(yield func(R, error) bool) (r R, err error) {
	for k := uint64(0); ; k++ {
		// If item k has not been pulled, its cell is there anyway: k is not the first of a segment,
		// because segmentSize is a multiple of 8.
		if k%8 == 0 || !s.quick() || s.cell(k).seq.Load() != k+1 {
			if !s.await(k) {
				if s.call.Ctx.Err() != nil {
					return r, context.Cause(s.call.Ctx)
				}
				return r, s.inputErr
			}
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

// tellReader stores that k results have been yielded, and wakes the reader if it waits for that.
func (s *stream[T, R]) tellReader(k uint64) {
	s.yielded.Store(k)
	if at := s.roomAt.Load(); at != 0 && k >= at {
		race.Send(s.room, struct{}{})
	}
}

// has reports whether result k is ready.
func (s *stream[T, R]) has(k uint64) bool {
	return k < s.tail.Load() && s.cell(k).seq.Load() == k+1
}

// exhausted reports whether the input has ended after k items.
func (s *stream[T, R]) exhausted(k uint64) bool {
	select {
	case <-s.inputDone:
		return k == s.tail.Load()
	default:
		return false
	}
}

// await blocks until result k is ready. It reports false if there is no result k, or the context is
// done.
func (s *stream[T, R]) await(k uint64) bool {
	for {
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
		s.resultAt.Store(k + 1)
		if !s.has(k) && !s.exhausted(k) {
			s.shown.Blocked()
			select {
			case <-s.results:
			case <-s.call.Ctx.Done():
			}
			s.shown.Woken()
		}
		s.resultAt.Store(0)
	}
}
