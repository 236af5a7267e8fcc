package core

import (
	"context"
	"sync"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// A WaitGroup counts tasks that have not ended. Its Wait blocks until the count is zero.
//
// The zero value is ready for use. A WaitGroup must not be copied after first use; go
// vet reports a copy.
//
// It differs from [sync.WaitGroup] in four ways:
//   - Reuse is always safe. Add may be called at any time, also before the waiters of an earlier
//     round have returned.
//   - [WaitGroup.WaitContext] gives up when its context is done.
//   - It belongs to no testing/synctest bubble. A package variable may be used in one bubble after
//     another. A Wait in a bubble always blocks durably.
//   - It has no Go method. Package [github.com/coterie-go/coterie/group] has.
//
// At some instant during each call of Wait the counter was zero.
//
// In the terminology of [the Go memory model], a call of Done "synchronizes before" the
// return of any Wait that it releases. Nothing else is ordered.
//
// [the Go memory model]: https://go.dev/ref/mem
type WaitGroup struct {
	_ noCopy

	ended race.Point // from each Done to the waits that it ends

	// state packs two numbers and a bit into one word, so that one atomic addition
	// changes the first and reads the others at the same instant:
	//
	//	 63            32 31 30           0
	//	┌────────────────┬──┬──────────────┐
	//	│    counter     │ Q│   waiters    │
	//	└────────────────┴──┴──────────────┘
	//
	// counter is the number of tasks, 0 to 2^31-1. Only Add and Done change it. waiters is the
	// number of waiters that have entered so far: it never goes down, and wraps. A waiter enters by
	// a compare-and-swap that checks that counter is not zero, adds 1 to waiters, and sets Q. Its
	// number is the new value of waiters. Q is set while queue is not empty: both change together,
	// with mu held.
	//
	// So the addition that makes counter zero also reads whether a goroutine waits, and the last
	// number of the round that it ends. Then releaseSlow releases, under mu, every waiter with a
	// number up to that one, and no other. Calls of Add and Wait in between do not change
	// which waiters these are. So reuse is safe:
	//
	//	no waiter is released early: a number up to the one read was
	//	issued before counter became zero, so the zero lies within the
	//	waiter's call;
	//
	//	no waiter is lost: when a number is issued counter is not zero, and
	//	the addition that next makes it zero reads that number or a larger one.
	//	It finds Q set, unless the waiter has left by then.
	//
	// docs/model has a version of this for a model checker.
	state race.Uint64

	mu     sync.Mutex              // locked to park, release and give up; nothing blocks while it is held
	issued int64                   // the last number, in 64 bits; guarded by mu
	queue  list.List[*park.Parker] // in the order of numbers, which are in N; guarded by mu
}

const (
	queueBit    = 1 << 31
	numberMask  = queueBit - 1
	counterUnit = 1 << 32
)

// Add adds delta to the counter. delta may be negative. Add releases all waiting goroutines if the
// counter becomes zero. Add does not block.
//
// Add panics if the counter would go below zero or above 2^31-1, and leaves the counter as it was.
// Until it has panicked, other calls see a counter that is off by delta: an Add may panic too, and
// a Wait may return too early or wait for one more round.
//
// While no goroutine waits, Add costs one atomic addition, as the Add of sync.WaitGroup does. A
// release costs a lock, and a wake-up for each waiter.
func (wg *WaitGroup) Add(delta int) {
	if delta < 0 {
		wg.ended.Release()
	}
	if int64(delta) != int64(int32(delta)) {
		panicRange(delta)
	}
	state := wg.state.Add(uint64(delta) * counterUnit)
	if isEventful(state) {
		wg.addSlow(delta, state)
	}
}

// Done is Add(-1): it takes one task off the counter. Done releases all waiting goroutines if that
// was the last task. Done does not block. It panics if the counter is zero.
func (wg *WaitGroup) Done() { wg.Add(-1) }

// isEventful reports whether an Add that returned state has more to do: the counter is zero and a
// goroutine waits, or the counter is out of range.
func isEventful(state uint64) bool { return counterOf(state) <= 0 && state >= queueBit }

// addSlow releases the waiters, or panics, after an Add that returned an eventful state.
func (wg *WaitGroup) addSlow(delta int, state uint64) {
	outOfRange := counterOf(state) < 0
	if outOfRange {
		state = wg.state.Add(-uint64(delta) * counterUnit)
	}
	if counterOf(state) == 0 && state&queueBit != 0 {
		race.Do(func() { wg.releaseSlow(state) })
	}
	if outOfRange {
		panicRange(delta)
	}
}

// releaseSlow releases the waiters that had entered when state was read.
func (wg *WaitGroup) releaseSlow(state uint64) {
	wg.mu.Lock()
	// The number in state lags behind issued by the numbers that were issued since: far fewer than
	// 2^31, as it takes minutes to issue that many.
	last := wg.issued - (wg.issued-int64(state))&numberMask
	for e := wg.queue.Front(); e != nil && e.Value.N <= last; e = wg.queue.Front() {
		wg.leaveLocked(e.Value)
		e.Value.Wake()
	}
	wg.mu.Unlock()
}

// leaveLocked takes p out of the queue, and clears Q if the queue is then empty.
func (wg *WaitGroup) leaveLocked(p *park.Parker) {
	wg.queue.Remove(&p.Link)
	if wg.queue.Empty() {
		wg.state.And(^uint64(queueBit))
	}
}

// Wait blocks until the counter is zero. Nothing else ends the wait. Wait costs one atomic load if
// the counter is zero at the call. It allocates nothing.
func (wg *WaitGroup) Wait() {
	if counterOf(wg.state.Load()) != 0 {
		wg.waitSlow(nil)
	}
	wg.ended.Acquire()
}

// WaitContext blocks until the counter is zero, and returns nil. It returns [context.Cause] of ctx
// if ctx is done first. It returns nil if the counter is zero at the call, even if ctx is done. A
// wait that gives up does not affect other waits. WaitContext can be called again.
//
// WaitContext starts no goroutine. A call that blocks allocates a channel if ctx can be cancelled.
// WaitContext panics if ctx is nil.
func (wg *WaitGroup) WaitContext(ctx context.Context) error {
	if ctx == nil {
		panic("core: nil context")
	}
	if counterOf(wg.state.Load()) != 0 && (ctx.Err() != nil || !wg.waitSlow(ctx.Done())) {
		return context.Cause(ctx)
	}
	wg.ended.Acquire()
	return nil
}

// waitSlow blocks until the counter is zero, or cancel is closed. It reports whether the counter
// was zero.
func (wg *WaitGroup) waitSlow(cancel <-chan struct{}) bool {
	p := park.Get(cancel != nil)
	zero := true
	if race.Get(func() bool { return wg.enter(p) }) && !p.Wait(cancel) {
		zero = !race.Get(func() bool { return wg.giveUp(p) })
	}
	p.Free()
	return zero
}

// enter gives p a number and a place in the queue, and reports true. It reports false if the
// counter is zero.
func (wg *WaitGroup) enter(p *park.Parker) bool {
	wg.mu.Lock()
	defer wg.mu.Unlock()
	p.N = wg.issued + 1
	for {
		state := wg.state.Load()
		if counterOf(state) == 0 {
			return false
		}
		if wg.state.CompareAndSwap(state, state&^numberMask|queueBit|uint64(p.N&numberMask)) {
			break
		}
	}
	wg.issued = p.N
	wg.queue.PushBack(&p.Link)
	return true
}

// giveUp takes p out of the queue. It reports false if p was released before.
func (wg *WaitGroup) giveUp(p *park.Parker) bool {
	wg.mu.Lock()
	defer wg.mu.Unlock()
	if !p.Link.Listed() {
		return false
	}
	wg.leaveLocked(p)
	return true
}

// Count returns the counter: the number of tasks that had not ended at some instant
// within the call.
func (wg *WaitGroup) Count() int { return int(max(counterOf(wg.state.Load()), 0)) }

// HasWaiters reports whether a goroutine was waiting at some instant within the call. Goroutines
// that were released or have given up do not count. HasWaiters costs one atomic load.
func (wg *WaitGroup) HasWaiters() bool { return wg.state.Load()&queueBit != 0 }

func counterOf(state uint64) int32 { return int32(state / counterUnit) }

func panicRange(delta int) {
	if delta < 0 {
		panic("core: negative WaitGroup counter")
	}
	panic("core: WaitGroup counter above 2147483647")
}
