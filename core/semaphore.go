package core

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// ErrWeight is the error of [Semaphore.Acquire] for more permits than the limit.
var ErrWeight = errors.New("core: weight above the semaphore's limit")

// A Semaphore has a limited number of permits. Acquire blocks while too few are free.
//
// A Semaphore is weighted: one call may take several permits. It is first in, first out: no call
// overtakes a queued waiter, not even [Semaphore.TryAcquire], so light waiters do not starve a
// heavy one. Its limit can be changed at any time.
//
// Use [NewSemaphore]. The zero value has limit 0, so an Acquire of a permit blocks until
// [Semaphore.SetLimit]. A Semaphore must not be copied after first use; go vet reports a copy.
//
// While no goroutine waits, and the limit is below 2^31, Acquire and Release cost one
// compare-and-swap each. An Acquire that blocks allocates a channel if its context can be
// cancelled. Nothing else allocates.
//
// In the terminology of [the Go memory model], a Release, and a SetLimit, "synchronizes
// before" the return of any Acquire or TryAcquire that it makes possible.
//
// [the Go memory model]: https://go.dev/ref/mem
type Semaphore struct {
	_ noCopy

	released race.Point // from each Release and SetLimit to the waits that it ends

	// word is the whole state while no goroutine waits:
	//
	//	 63            32 31 30           0
	//	┌────────────────┬──┬──────────────┐
	//	│     in use     │ S│    limit     │
	//	└────────────────┴──┴──────────────┘
	//
	// While S is clear, queue is empty, word holds the state, and every goroutine may change word
	// by compare-and-swap. While S is set, the fields below hold the state, and only the holder of
	// mu changes them and word. Only the holder of mu changes S.
	//
	// S is set while mu is held, while a goroutine waits, and while a number does not fit into
	// word.
	word race.Uint64

	mu    sync.Mutex              // nothing blocks while it is held
	limit int64                   // the same as in word while S is clear; guarded by mu
	inUse int64                   // above limit after SetLimit has lowered it; guarded by mu
	queue list.List[*park.Parker] // with their weights in N; guarded by mu
}

const (
	slowBit   = 1 << 31
	maxPacked = math.MaxInt32
)

// NewSemaphore returns a semaphore with the given limit. It panics if limit is negative.
func NewSemaphore(limit int64) *Semaphore {
	s := new(Semaphore)
	s.SetLimit(limit)
	return s
}

// Acquire takes n permits. It blocks until all earlier waiters have been served and n permits are
// free. It takes nothing and returns [context.Cause] of ctx if ctx is done first. Acquire fails if
// ctx is done at the call, even if permits are free.
//
// Acquire returns [ErrWeight] if n is more than the limit and the limit is not 0. A blocked Acquire
// returns it as soon as SetLimit lowers the limit below n. An Acquire of 0 takes nothing, but
// blocks until all earlier waiters have been served, and until no more permits are in use than the
// limit.
//
// No permit is lost when a waiter gives up: a permit that it got too late goes to the next waiter.
// If the first waiter gives up, the waiters behind it are served if they fit.
//
// Acquire panics if n is negative or ctx is nil. It costs one compare-and-swap while n permits are
// free and no goroutine waits.
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
	if taken, _ := s.acquireFast(n); !taken {
		if err := s.acquireSlow(ctx, n); err != nil {
			return err
		}
	}
	s.released.Acquire()
	return nil
}

// TryAcquire takes n permits and reports true if they are free and no goroutine waits. Otherwise it
// reports false. It does not block. It panics if n is negative.
func (s *Semaphore) TryAcquire(n int64) bool {
	if n < 0 {
		panicWeight(n)
	}
	taken, full := s.acquireFast(n)
	if !taken && (full || !race.Get(func() bool { return s.tryAcquireSlow(n) })) {
		return false
	}
	s.released.Acquire()
	return true
}

// Release gives n permits back, and wakes the waiters that now fit, in the order in which they
// came. It does not block. It panics, and changes nothing, if n is negative or more than the number
// of permits in use.
func (s *Semaphore) Release(n int64) {
	if n < 0 {
		panicWeight(n)
	}
	s.released.Release()
	if !s.releaseFast(n) && !race.Get(func() bool { return s.releaseSlow(n) }) {
		panicRelease(n)
	}
}

// SetLimit changes the limit. A higher limit wakes the waiters that now fit. A lower limit takes no
// permit from its holder: Acquire blocks until enough permits have been released. Waiters for more
// than the new limit return [ErrWeight]. A limit of 0 pauses: no Acquire gets a permit. SetLimit
// does not block. It panics if limit is negative.
func (s *Semaphore) SetLimit(limit int64) {
	if limit < 0 {
		panic(fmt.Sprintf("core: negative semaphore limit, got %d", limit))
	}
	s.released.Release()
	race.Do(func() { s.setLimitSlow(limit) })
}

// Limit returns the limit that NewSemaphore or the latest SetLimit set.
func (s *Semaphore) Limit() int64 { return s.snapshot().limit }

// InUse returns the number of permits in use. After SetLimit has lowered the limit, it may be more
// than Limit until permits are released.
func (s *Semaphore) InUse() int64 { return s.snapshot().inUse }

// Waiting returns the number of goroutines that are blocked in Acquire.
func (s *Semaphore) Waiting() int { return s.snapshot().waiting }

// acquireFast takes n permits if word shows that they are free. It reports full if word shows that
// they are not free. If it reports neither, word does not hold the state.
func (s *Semaphore) acquireFast(n int64) (taken, full bool) {
	for {
		word := s.word.Load()
		if word&slowBit != 0 {
			return false, false
		}
		if n > int64(word&maxPacked)-int64(word>>32) { // the difference may be negative after SetLimit
			return false, true
		}
		if s.word.CompareAndSwap(word, word+uint64(n)<<32) {
			return true, false
		}
	}
}

// releaseFast gives n permits back if S is clear and at least n are in use.
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

// acquireSlow is Acquire without the fast path.
func (s *Semaphore) acquireSlow(ctx context.Context, n int64) error {
	p := park.Get(ctx.Done() != nil)
	defer p.Free()
	p.N = n
	if race.Get(func() bool { return s.enter(p) }) {
		// Acquire fails if ctx is done, also if the permits were granted first.
		givesUp := !p.Wait(ctx.Done()) || ctx.Err() != nil
		if givesUp && race.Get(func() bool { return s.giveUp(p) }) {
			return context.Cause(ctx)
		}
	}
	if race.Load(&p.Result) == ErrWeight {
		return ErrWeight
	}
	return nil
}

// enter takes p.N permits. It gives p a place in the queue and reports true if it cannot take them
// now. It sets the result of p to ErrWeight if p.N is more than the limit.
func (s *Semaphore) enter(p *park.Parker) bool {
	s.lock()
	defer s.unlock()
	switch {
	case p.N > s.limit && s.limit > 0:
		p.Result = ErrWeight
	case !s.takeLocked(p.N):
		s.queue.PushBack(&p.Link)
		return true
	}
	return false
}

// giveUp ends the wait of p, and serves the waiters behind p that now fit. It gives permits back if
// p has been granted any. It reports false, and does nothing, if p was refused.
func (s *Semaphore) giveUp(p *park.Parker) bool {
	s.lock()
	defer s.unlock()
	switch {
	case p.Result == ErrWeight:
		return false
	case p.Link.Listed():
		s.queue.Remove(&p.Link)
	default:
		s.inUse -= p.N
	}
	s.grantLocked()
	return true
}

func (s *Semaphore) tryAcquireSlow(n int64) bool {
	s.lock()
	defer s.unlock()
	return s.takeLocked(n)
}

func (s *Semaphore) releaseSlow(n int64) bool {
	s.lock()
	ok := n <= s.inUse
	if ok {
		s.inUse -= n
		s.grantLocked()
	}
	s.unlock()
	return ok
}

func (s *Semaphore) setLimitSlow(limit int64) {
	s.lock()
	s.limit = limit
	for e := s.queue.Front(); e != nil && limit > 0; {
		p := e.Value
		e = e.Next()
		if p.N > limit {
			p.Result = ErrWeight
			s.endLocked(p)
		}
	}
	s.grantLocked()
	s.unlock()
}

// lock locks mu and sets S, so that the fields hold the state. limit already has its value: only
// the holder of mu changes it.
func (s *Semaphore) lock() {
	s.mu.Lock()
	for {
		word := s.word.Load()
		if word&slowBit != 0 {
			return
		}
		if s.word.CompareAndSwap(word, slowBit) {
			s.inUse = int64(word >> 32)
			return
		}
	}
}

// unlock moves the state back into word, if it fits and no goroutine waits, and unlocks mu.
func (s *Semaphore) unlock() {
	if s.queue.Empty() && s.inUse <= maxPacked && s.limit <= maxPacked {
		s.word.Store(uint64(s.inUse)<<32 | uint64(s.limit))
	}
	s.mu.Unlock()
}

// takeLocked takes n permits if they are free and no goroutine waits.
func (s *Semaphore) takeLocked(n int64) bool {
	if !s.queue.Empty() || n > s.limit-s.inUse {
		return false
	}
	s.inUse += n
	return true
}

// grantLocked serves the queue from the front up to the first waiter that does not fit.
func (s *Semaphore) grantLocked() {
	for e := s.queue.Front(); e != nil && e.Value.N <= s.limit-s.inUse; e = s.queue.Front() {
		s.inUse += e.Value.N
		s.endLocked(e.Value)
	}
}

// endLocked ends the wait of p. p must be in the queue.
func (s *Semaphore) endLocked(p *park.Parker) {
	s.queue.Remove(&p.Link)
	p.Wake()
}

type semaphoreState struct {
	limit, inUse int64
	waiting      int
}

func (s *Semaphore) snapshot() semaphoreState {
	if word := s.word.Load(); word&slowBit == 0 {
		return semaphoreState{limit: int64(word & maxPacked), inUse: int64(word >> 32)}
	}
	return race.Get(func() semaphoreState {
		s.lock()
		defer s.unlock()
		return semaphoreState{s.limit, s.inUse, s.queue.Len()}
	})
}

func panicWeight(n int64) { panic(fmt.Sprintf("core: negative weight, got %d", n)) }

func panicRelease(n int64) {
	panic(fmt.Sprintf("core: release of more permits than are in use, got %d", n))
}
