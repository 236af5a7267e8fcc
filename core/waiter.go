package core

import (
	"sync"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the waiters of WaitGroup and Semaphore: how a goroutine parks, and
// how another ends its wait.

// A waiter is the place of one goroutine in the queue of a WaitGroup or a Semaphore.
//
// A goroutine parks on a sync.Cond, which allocates nothing. It parks on a channel if
// the wait can be given up, because select waits for nothing but channels, and in race
// builds, because then it needs no lock to park. Both block durably in a
// testing/synctest bubble.
//
// A channel belongs to the bubble in which it was made, so each wait makes its own. The
// rest of a waiter belongs to no bubble and is reused: by one goroutine at a time, from
// newWaiter to free.
type waiter struct {
	n       int64              // ticket in a WaitGroup, weight in a Semaphore
	mu      *sync.Mutex        // that of the queue's owner
	ended   chan struct{}      // closed by end; nil if end signals cond
	cond    sync.Cond          // its L is the waiter as a condLocker
	outcome race.Uint64        // written by end, with mu held
	place   list.Elem[*waiter] // in the queue; guarded by mu
}

// The outcomes of a wait.
const (
	queued  = iota // the wait has not ended
	granted        // the waiter got what it waited for
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
	if race.Hidden { // the sync.Pool would order its users
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

// free makes the waiter, which is in no queue, available to others.
func (w *waiter) free() {
	if !race.Hidden {
		w.mu, w.ended = nil, nil
		waiters.Put(w)
	}
}

// parksLocked reports whether mu must be held at the call of park.
func (w *waiter) parksLocked() bool { return w.ended == nil }

// park blocks the waiter's goroutine until end is called or cancel is closed. If
// parksLocked, it unlocks mu, as sync.Cond.Wait does, and does not lock it again.
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

// endLocked unparks the waiter, which has left the queue. Another goroutine may use the
// waiter from then on.
func (w *waiter) endLocked(outcome uint64) {
	ended := w.ended
	w.outcome.Store(outcome)
	if ended != nil {
		race.Close(ended)
	} else {
		w.cond.Signal()
	}
}

// A condLocker is a waiter as the Locker of its own sync.Cond. Only endLocked wakes the
// waiter, so there is nothing to look at under the lock, and Lock does not take it.
type condLocker waiter

func (w *condLocker) Lock()   {}
func (w *condLocker) Unlock() { w.mu.Unlock() }
