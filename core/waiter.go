package core

import (
	"sync"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the waiters of WaitGroup and Semaphore: how a goroutine parks, and how another
// goroutine ends its wait.

// A waiter is the place of one goroutine in the queue of a WaitGroup or a Semaphore.
//
// A goroutine parks on a sync.Cond, which allocates nothing. It parks on a channel if the wait can
// be given up, because select works only with channels. It also parks on a channel in race builds,
// because that needs no lock. Both block durably in a testing/synctest bubble.
//
// A channel belongs to the bubble in which it was made, so each wait makes its own. The rest of a
// waiter belongs to no bubble, and is reused. One goroutine uses it at a time, from newWaiter to
// free.
type waiter struct {
	n       int64              // ticket in a WaitGroup, weight in a Semaphore
	mu      *sync.Mutex        // of the WaitGroup or Semaphore
	ended   chan struct{}      // closed by endLocked; nil if endLocked signals cond
	cond    sync.Cond          // its L is the waiter as a condLocker
	outcome race.Uint64        // written by endLocked, with mu held
	place   list.Elem[*waiter] // in the queue; guarded by mu
}

// The outcomes of a wait.
const (
	queued  = iota // the wait has not ended
	granted        // the wait has succeeded
	refused        // the waiter wants more than the limit allows
)

var waiters = sync.Pool{New: func() any { return makeWaiter() }}

func makeWaiter() *waiter {
	w := new(waiter)
	w.cond.L = (*condLocker)(w)
	w.place.Value = w
	return w
}

// newWaiter returns a waiter for a queue that mu guards. The wait can be given up if
// cancel is not nil.
func newWaiter(mu *sync.Mutex, cancel <-chan struct{}) *waiter {
	var w *waiter
	if race.Hidden { // the detector would see the sync.Pool order its users
		w = makeWaiter()
	} else {
		w = waiters.Get().(*waiter)
	}
	w.mu = mu
	w.outcome.Store(queued)
	if cancel != nil || race.Hidden {
		w.ended = make(chan struct{})
	}
	return w
}

// free makes the waiter available to other goroutines. It must be in no queue.
func (w *waiter) free() {
	if !race.Hidden {
		w.mu, w.ended = nil, nil
		waiters.Put(w)
	}
}

// parksLocked reports whether mu must be held when park is called.
func (w *waiter) parksLocked() bool { return w.ended == nil }

// park blocks until endLocked is called or cancel is closed. If parksLocked reports true, park
// unlocks mu, and does not lock it again.
func (w *waiter) park(cancel <-chan struct{}) {
	if w.ended == nil {
		w.cond.Wait()
		return
	}
	select {
	case <-w.ended:
	case <-cancel:
	}
}

// endLocked ends the wait of a waiter that has left the queue. The waiter may belong to another
// goroutine as soon as endLocked has woken it.
func (w *waiter) endLocked(outcome uint64) {
	ended := w.ended
	w.outcome.Store(outcome)
	if ended != nil {
		race.Close(ended)
	} else {
		w.cond.Signal()
	}
}

// A condLocker is a waiter as the Locker of its own sync.Cond. Only endLocked wakes the waiter, so
// it need not check a condition under mu after the wait. So Lock does nothing.
type condLocker waiter

func (w *condLocker) Lock()   {}
func (w *condLocker) Unlock() { w.mu.Unlock() }
