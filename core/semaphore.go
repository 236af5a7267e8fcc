package core

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"unsafe"
)

// ErrWeight is returned by [Semaphore.Acquire] when the weight asked for is more
// than the limit allows at all.
var ErrWeight = errors.New("core: weight above the semaphore's limit")

// A Semaphore hands out permits up to a limit and makes those wait who find none.
//
// It is weighted (one call may take several permits), first in, first out (a
// heavy waiter is not starved by light ones: nobody passes a queued waiter, not
// even by [Semaphore.TryAcquire]) and resizable at any time.
//
// Use [NewSemaphore]. The zero value has limit 0, and so pauses everyone until
// [Semaphore.SetLimit]. A Semaphore must not be copied after first use; go vet
// reports it.
//
// Acquire and Release without waiters are one compare-and-swap each, as long as
// the limit is below 2^31. Nothing is allocated but a channel for an Acquire that
// has to wait with a context that can be done.
//
// In the terminology of [the Go memory model], a Release, and a SetLimit,
// "synchronizes before" the return of any Acquire or TryAcquire that it makes
// possible.
//
// [the Go memory model]: https://go.dev/ref/mem
type Semaphore struct {
	_ noCopy

	// word is the whole state while nobody waits:
	//
	//	 63            32 31 30           0
	//	┌────────────────┬──┬──────────────┐
	//	│     in use     │ S│    limit     │
	//	└────────────────┴──┴──────────────┘
	//
	// While S is clear, the queue is empty, the word is the truth, and anyone
	// may change it by compare-and-swap. While S is set, the fields below are
	// the truth, and only the holder of mu changes them and the word.
	// Only the holder of mu changes S.
	//
	// S is set while somebody waits, and also while a number does not fit.
	word atomic.Uint64

	mu      sync.Mutex // nothing blocks while it is held
	limit   Guarded[int64]
	inUse   Guarded[int64] // above limit after SetLimit has shrunk it
	queue   waiterQueue
	waiting Guarded[int] // how many are in queue
}

const (
	slowBit   = 1 << 31
	maxPacked = math.MaxInt32
)

// NewSemaphore returns a semaphore with the given limit, which must not be
// negative.
func NewSemaphore(limit int64) *Semaphore {
	s := new(Semaphore)
	s.SetLimit(limit)
	return s
}

// Acquire takes n permits. It blocks until they are free and everyone who came
// before has been served, or until ctx is done, in which case it returns
// [context.Cause] of ctx and has taken nothing. With ctx already done it fails
// even if there is room.
//
// If n is more than the limit, and the limit is not 0, Acquire returns
// [ErrWeight]: at once, or, for a caller that waits already, as soon as SetLimit
// shrinks the limit below n. An Acquire of 0 takes nothing but waits for its turn.
//
// To give up is never to lose a permit: those that came too late go on to
// whoever is next, and if a waiter at the head gives up, those behind are looked
// at again.
//
// Acquire panics if n is negative or ctx is nil. While permits are free and nobody
// waits it costs one compare-and-swap.
func (s *Semaphore) Acquire(ctx context.Context, n int64) error {
	if n < 0 {
		panicWeight(n)
	}
	if ctx == nil {
		panic("core: nil context")
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	RaceDisable()
	ok := s.acquireFast(n)
	RaceEnable()
	if !ok {
		if err := s.acquireSlow(ctx, n); err != nil {
			return err
		}
	}
	raceAcquire(unsafe.Pointer(s))
	return nil
}

// TryAcquire takes n permits if they are free and nobody waits, and otherwise
// reports false. It never blocks. It panics if n is negative.
func (s *Semaphore) TryAcquire(n int64) bool {
	if n < 0 {
		panicWeight(n)
	}
	RaceDisable()
	ok := s.acquireFast(n) || !s.full(n) && s.tryAcquireSlow(n)
	RaceEnable()
	if ok {
		raceAcquire(unsafe.Pointer(s))
	}
	return ok
}

// Release gives n permits back and wakes whoever now fits, in the order in which
// they came. It never blocks. It panics, without having changed anything, if n
// is negative or more than is in use.
func (s *Semaphore) Release(n int64) {
	if n < 0 {
		panicWeight(n)
	}
	raceRelease(unsafe.Pointer(s))
	RaceDisable()
	ok := s.releaseFast(n) || s.releaseSlow(n)
	RaceEnable()
	if !ok {
		panicRelease(n)
	}
}

// SetLimit changes the limit. Raising it wakes whoever now fits. Lowering it
// takes nothing from those who hold permits: new ones are handed out once enough
// have been released; those who wait for more than the new limit get
// [ErrWeight]. A limit of 0 pauses: everyone waits. SetLimit never blocks. It
// panics if limit is negative.
func (s *Semaphore) SetLimit(limit int64) {
	if limit < 0 {
		panic(fmt.Sprintf("core: negative semaphore limit, got %d", limit))
	}
	raceRelease(unsafe.Pointer(s))
	RaceDisable()
	s.lock()
	s.limit.Store(limit)
	if limit > 0 {
		for w := s.queue.front(); w != nil; {
			next := s.queue.after(w)
			if w.n.Load() > limit {
				s.leave(w)
				w.end(refused)
			}
			w = next
		}
	}
	s.grant()
	s.unlock()
	RaceEnable()
}

// Limit returns the limit, as NewSemaphore or the latest SetLimit gave it.
func (s *Semaphore) Limit() int64 {
	limit, _, _ := s.snapshot()
	return limit
}

// InUse returns the number of permits that are taken. It is more than Limit
// while holders finish after SetLimit has lowered it.
func (s *Semaphore) InUse() int64 {
	_, inUse, _ := s.snapshot()
	return inUse
}

// Waiting returns the number of goroutines that wait in Acquire.
func (s *Semaphore) Waiting() int {
	_, _, waiting := s.snapshot()
	return waiting
}

// acquireFast takes n permits if the word says that they are free.
func (s *Semaphore) acquireFast(n int64) bool {
	for {
		word := s.word.Load()
		if word&slowBit != 0 || n > freeOf(word) {
			return false
		}
		if s.word.CompareAndSwap(word, word+uint64(n)<<32) {
			return true
		}
	}
}

// full says whether the word is the truth and n permits are not free.
func (s *Semaphore) full(n int64) bool {
	word := s.word.Load()
	return word&slowBit == 0 && n > freeOf(word)
}

// freeOf may be negative, after SetLimit has shrunk the limit.
func freeOf(word uint64) int64 { return int64(word&maxPacked) - int64(word>>32) }

// releaseFast gives n permits back if the word says that so many are in use.
func (s *Semaphore) releaseFast(n int64) bool {
	for {
		word := s.word.Load()
		if word&slowBit != 0 || n > int64(word>>32) {
			return false
		}
		if s.word.CompareAndSwap(word, word-uint64(n)<<32) {
			return true
		}
	}
}

func (s *Semaphore) acquireSlow(ctx context.Context, n int64) error {
	done := ctx.Done()
	RaceDisable()
	outcome := s.waitSlow(n, done)
	RaceEnable()
	switch outcome {
	case refused:
		return ErrWeight
	case queued:
		return context.Cause(ctx)
	}
	return nil
}

// waitSlow waits for n permits, or until cancel is closed, if that is not nil.
// It reports what came of it: queued, if nothing.
func (s *Semaphore) waitSlow(n int64, cancel <-chan struct{}) (outcome int32) {
	s.lock()
	switch limit := s.limit.Load(); {
	case n > limit && limit > 0:
		s.unlock()
		return refused
	case s.take(n):
		s.unlock()
		return granted
	}
	w := newWaiter(&s.mu, cancel)
	w.n.Store(n)
	s.queue.push(w)
	s.waiting.Store(s.waiting.Load() + 1)
	w.park(cancel) // unlocks mu, and leaves S set, as it is while the queue is not empty
	outcome = w.outcome.Load()
	if outcome != refused && isClosed(cancel) {
		// Whichever came first, a done context means failure.
		outcome = s.giveUpSlow(w)
	}
	w.free()
	return outcome
}

func (s *Semaphore) tryAcquireSlow(n int64) bool {
	s.lock()
	ok := s.take(n)
	s.unlock()
	return ok
}

// giveUpSlow ends the wait of w, whatever has become of it meanwhile. Whether it
// hands permits back or only leaves the queue, those behind it may now fit.
func (s *Semaphore) giveUpSlow(w *waiter) (outcome int32) {
	s.lock()
	outcome = w.outcome.Load()
	switch outcome {
	case queued:
		s.leave(w)
	case granted:
		s.inUse.Store(s.inUse.Load() - w.n.Load())
		outcome = queued
	}
	s.grant()
	s.unlock()
	return outcome
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *Semaphore) releaseSlow(n int64) bool {
	s.lock()
	ok := n <= s.inUse.Load()
	if ok {
		s.inUse.Store(s.inUse.Load() - n)
		s.grant()
	}
	s.unlock()
	return ok
}

// lock takes mu and sees to it that S is set, so that the fields are the truth.
func (s *Semaphore) lock() {
	s.mu.Lock()
	for {
		word := s.word.Load()
		if word&slowBit != 0 {
			return
		}
		if s.word.CompareAndSwap(word, slowBit) {
			s.inUse.Store(int64(word >> 32))
			s.limit.Store(int64(word & maxPacked))
			return
		}
	}
}

// unlock gives the state back to the word if it fits there and nobody waits.
func (s *Semaphore) unlock() {
	inUse, limit := s.inUse.Load(), s.limit.Load()
	if s.queue.front() == nil && inUse <= maxPacked && limit <= maxPacked {
		s.word.Store(uint64(inUse)<<32 | uint64(limit))
	}
	s.mu.Unlock()
}

// take takes n permits if they are free and nobody waits. It is called with the
// lock held, as are fits and grant.
func (s *Semaphore) take(n int64) bool {
	if s.queue.front() != nil || !s.fits(n) {
		return false
	}
	s.inUse.Store(s.inUse.Load() + n)
	return true
}

func (s *Semaphore) fits(n int64) bool { return n <= s.limit.Load()-s.inUse.Load() }

// grant serves the queue from the front until somebody does not fit.
func (s *Semaphore) grant() {
	for w := s.queue.front(); w != nil && s.fits(w.n.Load()); w = s.queue.front() {
		s.leave(w)
		s.inUse.Store(s.inUse.Load() + w.n.Load())
		w.end(granted)
	}
}

// leave takes w out of the queue.
func (s *Semaphore) leave(w *waiter) {
	s.queue.remove(w)
	s.waiting.Store(s.waiting.Load() - 1)
}

func (s *Semaphore) snapshot() (limit, inUse int64, waiting int) {
	RaceDisable()
	defer RaceEnable()
	if word := s.word.Load(); word&slowBit == 0 {
		return int64(word & maxPacked), int64(word >> 32), 0
	}
	s.lock()
	defer s.unlock()
	return s.limit.Load(), s.inUse.Load(), s.waiting.Load()
}

func panicWeight(n int64) { panic(fmt.Sprintf("core: negative weight, got %d", n)) }

func panicRelease(n int64) {
	panic(fmt.Sprintf("core: release of more permits than are in use, got %d", n))
}
