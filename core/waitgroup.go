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
// [WaitGroup.WaitContext]. And it is bound to no testing/synctest bubble: a
// package variable may be used inside one bubble after another, and a Wait inside
// a bubble is always durably blocking. It has no Go method:
// [github.com/coterie-go/coterie/group] is that.
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

	// state packs two numbers and a bit into one word, so that one atomic
	// addition changes the first and reads the others at the same instant:
	//
	//	 63            32 31 30           0
	//	┌────────────────┬──┬──────────────┐
	//	│    counter     │ Q│   waiters    │
	//	└────────────────┴──┴──────────────┘
	//
	// counter is the number of tasks, 0 to 2^31-1. Add and Done change it and
	// nothing else does. waiters is the number of waiters that have come so
	// far: it never goes down, and wraps. A waiter's ticket is that number as
	// its own coming made it. It comes by a compare-and-swap that checks that
	// counter is not zero, and that also sets Q. Q says that queue is not
	// empty: it is set and cleared with mu held, together with queue.
	//
	// So the addition that makes counter zero also reads whether anybody
	// waits, and the last ticket of the round that it ends. It releases, under
	// mu, whoever has a ticket no later than that one, and nobody else, however
	// late it comes to do so and whatever Add and Wait have done since. That is
	// all there is to safe reuse:
	//
	//	nobody is released early: a ticket no later than the one read was
	//	handed out before counter became zero, so the zero lies within the
	//	waiter's call;
	//
	//	nobody is lost: when a ticket is handed out counter is not zero, and
	//	the addition that next makes it zero reads that ticket or a later one.
	//	It finds Q set, unless the waiter has left by then.
	//
	// docs/model has this as a program for a model checker.
	state atomic.Uint64

	mu     sync.Mutex     // taken to park, release and give up; nothing blocks while it is held
	issued Guarded[int64] // the last ticket, with all the bits that waiters has no room for
	queue  waiterQueue    // in the order of tickets; a waiter's n is its ticket
}

const (
	queueBit    = 1 << 31
	ticketMask  = queueBit - 1
	counterUnit = 1 << 32
)

// Add adds delta, which may be negative, to the counter. If that makes the
// counter zero, all goroutines that wait are released. Add never blocks.
//
// It panics if the counter would go below zero or above 2^31-1, and the counter
// is then as it was. For the calls that overlap such a call, though, the counter
// is off by its delta: they may be refused, too, and a Wait may take tasks for
// ended, or wait for one round more, than without it.
//
// When nobody waits, Add is one atomic addition, which is also what the Add of
// sync.WaitGroup consists of: there is no cheaper way to count. Releasing costs
// a lock, and a wake-up for each waiter.
func (wg *WaitGroup) Add(delta int) {
	if delta < 0 {
		raceRelease(unsafe.Pointer(wg))
	}
	if int64(delta) != int64(int32(delta)) {
		panicRange(delta)
	}
	RaceDisable()
	state := wg.state.Add(uint64(delta) * counterUnit)
	if isEventful(state) {
		wg.addSlow(delta, state)
	}
	RaceEnable()
}

// Done takes one task off the counter, and releases those who wait if that was
// the last. It is Add(-1): it never blocks, costs the same, and panics if there is
// no task.
func (wg *WaitGroup) Done() { wg.Add(-1) }

// isEventful reports whether there is more to an Add that has made state what it is: the
// counter is zero and somebody waits, or it is out of range.
func isEventful(state uint64) bool { return counterOf(state) <= 0 && state >= queueBit }

// addSlow ends an Add that has made state what it is, which is eventful.
func (wg *WaitGroup) addSlow(delta int, state uint64) {
	outOfRange := counterOf(state) < 0
	if outOfRange {
		state = wg.state.Add(-uint64(delta) * counterUnit)
	}
	if counterOf(state) == 0 && state&queueBit != 0 {
		wg.releaseSlow(state)
	}
	if outOfRange {
		RaceEnable()
		panicRange(delta)
	}
}

// releaseSlow releases the waiters that had come when state was read.
func (wg *WaitGroup) releaseSlow(state uint64) {
	wg.mu.Lock()
	// The ticket in state lags behind the last one issued by what was issued
	// since: far less than 2^31, as it takes minutes to issue that many.
	issued := wg.issued.Load()
	last := issued - (issued-int64(state))&ticketMask
	for w := wg.queue.front(); w != nil && w.n.Load() <= last; w = wg.queue.front() {
		wg.leave(w)
		w.end(granted)
	}
	wg.mu.Unlock()
}

// leave takes w out of the queue. It is called with mu held.
func (wg *WaitGroup) leave(w *waiter) {
	wg.queue.remove(w)
	if wg.queue.front() == nil {
		wg.state.And(^uint64(queueBit))
	}
}

// Wait blocks until the counter is zero; nothing else ends that. On a counter
// that is zero already it is one atomic load. It allocates nothing.
func (wg *WaitGroup) Wait() {
	RaceDisable()
	if counterOf(wg.state.Load()) != 0 {
		wg.waitSlow(nil)
	}
	RaceEnable()
	raceAcquire(unsafe.Pointer(wg))
}

// WaitContext is Wait that gives up when ctx is done; it then returns
// [context.Cause] of ctx. It returns nil if the counter was zero when it was
// called, or became zero before it gave up, even with ctx done. To give up changes
// nothing for anybody else, and WaitContext can be called again. It starts no
// goroutine. A call that has to wait, and whose ctx can be done, allocates a
// channel. It panics if ctx is nil.
func (wg *WaitGroup) WaitContext(ctx context.Context) error {
	if ctx == nil {
		panic("core: nil context")
	}
	RaceDisable()
	zero := counterOf(wg.state.Load()) == 0
	RaceEnable()
	if !zero {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		done := ctx.Done()
		RaceDisable()
		zero = wg.waitSlow(done)
		RaceEnable()
		if !zero {
			return context.Cause(ctx)
		}
	}
	raceAcquire(unsafe.Pointer(wg))
	return nil
}

// waitSlow waits until the counter is zero, or cancel is closed, if that is not
// nil. It reports whether the counter was zero.
func (wg *WaitGroup) waitSlow(cancel <-chan struct{}) bool {
	w := newWaiter(&wg.mu, cancel)
	wg.mu.Lock()
	if !wg.enter(w) {
		wg.mu.Unlock()
		w.free()
		return true
	}
	w.park(cancel)
	if w.outcome.Load() == queued { // to give up is to leave the queue before being released
		wg.mu.Lock()
		if w.outcome.Load() == queued {
			wg.leave(w)
		}
		wg.mu.Unlock()
	}
	zero := w.outcome.Load() == granted
	w.free()
	return zero
}

// enter gives w a ticket and a place in the queue, unless the counter is zero.
// It is called with mu held.
func (wg *WaitGroup) enter(w *waiter) bool {
	ticket := wg.issued.Load() + 1
	for {
		state := wg.state.Load()
		if counterOf(state) == 0 {
			return false
		}
		if wg.state.CompareAndSwap(state, state&^ticketMask|queueBit|uint64(ticket&ticketMask)) {
			break
		}
	}
	wg.issued.Store(ticket)
	w.n.Store(ticket)
	wg.queue.push(w)
	return true
}

// Count returns the counter: the number of tasks that had not ended at some
// instant within the call.
func (wg *WaitGroup) Count() int {
	RaceDisable()
	n := counterOf(wg.state.Load())
	RaceEnable()
	return int(max(n, 0))
}

// HasWaiters reports whether a goroutine was waiting at some instant within the call:
// one that has not been released, and has not given up. It is one atomic load.
func (wg *WaitGroup) HasWaiters() bool {
	RaceDisable()
	waits := wg.state.Load()&queueBit != 0
	RaceEnable()
	return waits
}

func counterOf(state uint64) int32 { return int32(state / counterUnit) }

func panicRange(delta int) {
	if delta < 0 {
		panic("core: negative WaitGroup counter")
	}
	panic("core: WaitGroup counter above 2147483647")
}
