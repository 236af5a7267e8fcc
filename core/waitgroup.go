package core

import (
	"context"
	"sync"
	"sync/atomic"
	"unsafe"
)

// A WaitGroup counts tasks that have not ended yet and lets goroutines wait
// until there are none.
//
// The zero value is ready for use. A WaitGroup must not be copied after first
// use; go vet reports it.
//
// It differs from [sync.WaitGroup] in three ways. Reuse is always safe: Add may
// be called at any time, also while waiters of an earlier round have been
// released but have not returned yet. A wait can give up, with
// [WaitGroup.WaitContext]. And it may be a package variable that is used inside
// one testing/synctest bubble after another: what a waiter parks on is made
// anew for each round.
//
// Wait's promise is: it returns after an instant, within the call, at which the
// counter was zero.
//
// In the terminology of [the Go memory model], a call of Done "synchronizes
// before" the return of any Wait that it releases. Nothing else is ordered.
//
// [the Go memory model]: https://go.dev/ref/mem
type WaitGroup struct {
	_ noCopy

	// state packs two numbers into one word, so that one atomic addition
	// changes the one and reads the other at the same instant:
	//
	//	 63            32 31             0
	//	┌────────────────┬────────────────┐
	//	│    counter     │    waiters     │
	//	└────────────────┴────────────────┘
	//
	// counter is the number of tasks, 0 to 2^31-1. (A call that panics because
	// it would leave that range is outside it for an instant.) waiters is the
	// number of waiters that have come so far: it never goes down, and goes
	// from 2^32-1 to 1. A waiter's ticket is that number as its own coming made
	// it. Tickets are handed out only while counter is not zero, in the
	// compare-and-swap that checks it.
	//
	// So the addition that makes counter zero also reads the last ticket of the
	// round that it ends. A waiter is to be released by it if its ticket is no
	// later than that one, and not otherwise, however late the releasing is
	// done and whatever Add and Wait have done since. That is all there is to
	// safe reuse:
	//
	//	nobody is released early: a ticket no later than the one read was
	//	handed out before counter became zero, so the zero lies within the
	//	waiter's call;
	//
	//	nobody is lost: after a ticket is handed out counter is not zero; the
	//	addition that next makes it zero reads that ticket or a later one, and
	//	finds standing not zero, because that is set first.
	state atomic.Uint64

	// standing is the number of waiters in queue, and of one that is about to
	// be. Changed with mu held.
	standing atomic.Int32

	mu     sync.Mutex     // taken to park, release and give up; nothing blocks while it is held
	issued Guarded[int64] // the last ticket; its low 32 bits are those of state
	queue  waiterQueue    // in the order of their tickets, which are their n
	first  waiter         // spares the only waiter an allocation; free while its ready is nil
}

// Add adds delta, which may be negative, to the counter. If that makes the
// counter zero, all goroutines that wait are released. Add never blocks.
//
// It panics if the counter would go below zero or above 2^31-1; the counter
// then stays as it was.
//
// When nobody waits, Add is one atomic operation.
func (wg *WaitGroup) Add(delta int) {
	if delta < 0 {
		raceRelease(unsafe.Pointer(wg))
	}
	if int64(delta) != int64(int32(delta)) {
		panicRange(delta)
	}
	RaceDisable()
	state := wg.state.Add(uint64(delta) << 32)
	if counter, last := int32(state>>32), uint32(state); counter <= 0 {
		switch {
		case counter < 0:
			RaceEnable()
			wg.Add(-delta)
			panicRange(delta)
		case delta < 0 && last != 0 && wg.standing.Load() != 0:
			wg.releaseSlow(last)
		}
	}
	RaceEnable()
}

// Done takes one task off the counter. It is Add(-1).
func (wg *WaitGroup) Done() { wg.Add(-1) }

// releaseSlow releases the waiters whose tickets are no later than last, which
// was read as counter became zero.
func (wg *WaitGroup) releaseSlow(last uint32) {
	wg.mu.Lock()
	// last is the low half of a ticket. It lags behind the last one issued by
	// what was issued since: far less than 2^32, so the high half follows.
	issued := wg.issued.Load()
	until := issued - int64(uint32(issued)-last)
	for w := wg.queue.front(); w != nil && w.n.Load() <= until; w = wg.queue.front() {
		wg.removeSlow(w)
	}
	wg.mu.Unlock()
}

// Wait blocks until the counter is zero. On a counter that is zero already it
// is one atomic load.
func (wg *WaitGroup) Wait() {
	RaceDisable()
	if wg.counter() > 0 {
		if _, ready := wg.enterSlow(); ready != nil {
			<-ready
		}
	}
	RaceEnable()
	raceAcquire(unsafe.Pointer(wg))
}

// WaitContext is Wait that gives up when ctx is done; it then returns
// [context.Cause] of ctx. It returns nil if the counter was zero at some instant
// within the call, even with ctx done. It starts no goroutine.
func (wg *WaitGroup) WaitContext(ctx context.Context) error {
	if ctx == nil {
		panic("core: nil context")
	}
	RaceDisable()
	zero := wg.counter() <= 0
	RaceEnable()
	if !zero && (ctx.Err() != nil || !wg.waitSlow(ctx.Done())) {
		return context.Cause(ctx)
	}
	raceAcquire(unsafe.Pointer(wg))
	return nil
}

// waitSlow reports whether the wait ended because the counter became zero.
func (wg *WaitGroup) waitSlow(done <-chan struct{}) bool {
	RaceDisable()
	defer RaceEnable()
	w, ready := wg.enterSlow()
	if ready == nil {
		return true
	}
	select {
	case <-ready:
		return true
	case <-done:
		return !wg.leaveSlow(w, ready)
	}
}

// enterSlow gives the caller a ticket and a place in the queue, and returns that
// and the channel to park on, which will be closed. The channel is nil if the
// counter is zero by now.
func (wg *WaitGroup) enterSlow() (*waiter, chan struct{}) {
	wg.mu.Lock()
	defer wg.mu.Unlock()
	wg.standing.Add(1) // before the ticket: whoever reads the ticket must see it
	ticket := wg.issued.Load() + 1
	if uint32(ticket) == 0 {
		ticket++ // so that 0 in the word means that nobody has ever come
	}
	for {
		state := wg.state.Load()
		if int32(state>>32) <= 0 {
			wg.standing.Add(-1)
			return nil, nil
		}
		if wg.state.CompareAndSwap(state, state>>32<<32|uint64(uint32(ticket))) {
			break
		}
	}
	wg.issued.Store(ticket)
	w := &wg.first
	if w.ready.Load() != nil {
		w = new(waiter)
	}
	ready := make(chan struct{})
	w.n.Store(ticket)
	w.ready.Store(ready)
	wg.queue.push(w)
	return w, ready
}

// leaveSlow gives up the place w of the waiter that parks on ready. It reports
// false if that has been released in the meantime: w may have a new tenant then.
func (wg *WaitGroup) leaveSlow(w *waiter, ready chan struct{}) bool {
	wg.mu.Lock()
	defer wg.mu.Unlock()
	if w.ready.Load() != ready {
		return false
	}
	wg.removeSlow(w)
	return true
}

// removeSlow is called with mu held.
func (wg *WaitGroup) removeSlow(w *waiter) {
	wg.queue.remove(w)
	wg.standing.Add(-1)
	close(w.ready.Load())
	w.ready.Store(nil)
}

// Count returns the counter: the number of tasks that had not ended at some
// instant within the call.
func (wg *WaitGroup) Count() int {
	RaceDisable()
	defer RaceEnable()
	return int(max(wg.counter(), 0))
}

func (wg *WaitGroup) counter() int32 { return int32(wg.state.Load() >> 32) }

func panicRange(delta int) {
	if delta < 0 {
		panic("core: negative WaitGroup counter")
	}
	panic("core: WaitGroup counter above 2147483647")
}
