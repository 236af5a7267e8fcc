package core

import (
	"sync"
	"sync/atomic"
)

// A waiter is one goroutine's stand in the queue of a WaitGroup or a Semaphore,
// and the place where it parks. Parking is done on a sync.Cond, which needs no
// allocation, or, if the wait can be given up, on a channel, because only select
// waits for two things. Both are durably blocking in a testing/synctest bubble.
//
// A channel belongs to the bubble that it was made in, so each wait makes its
// own. The rest belongs to no bubble and is used again and again: by one
// goroutine at a time, from newWaiter to free.
type waiter struct {
	n       Guarded[int64]         // ticket in a WaitGroup, weight in a Semaphore
	mu      Guarded[*sync.Mutex]   // of the owner of the queue; it guards what stands below
	ended   Guarded[chan struct{}] // nil for a wait that cannot be given up
	cond    sync.Cond              // its L is the waiter as a condLocker
	outcome atomic.Int32           // set when the waiter leaves the queue

	prev, next Guarded[*waiter] // nil if it is in no queue
}

// What became of a waiter.
const (
	queued  = iota
	granted // got what it waits for
	refused // asked for more than the limit now allows
)

var waiters = sync.Pool{New: func() any {
	w := new(waiter)
	w.cond.L = (*condLocker)(w)
	return w
}}

// newWaiter returns a waiter that may give up when cancel is closed, if cancel
// is not nil.
func newWaiter(mu *sync.Mutex, cancel <-chan struct{}) *waiter {
	w := waiters.Get().(*waiter)
	w.mu.Store(mu)
	w.outcome.Store(queued)
	if cancel != nil {
		w.ended.Store(make(chan struct{}))
	}
	return w
}

// free lets another goroutine use the waiter, which has left the queue.
func (w *waiter) free() {
	w.mu.Store(nil)
	w.ended.Store(nil)
	waiters.Put(w)
}

// park is called with mu held, which it unlocks, by the goroutine whose waiter
// this is. It returns once end was called, or cancel is closed. It does not hide
// from the race detector that the goroutine is parked, because that, in a bubble,
// orders what came before it ahead of synctest.Wait.
func (w *waiter) park(cancel <-chan struct{}) {
	if cancel == nil {
		w.cond.Wait()
		return
	}
	ended := w.ended.Load()
	w.mu.Load().Unlock()
	RaceEnable()
	select {
	case <-ended:
	case <-cancel:
	}
	RaceDisable()
}

// end is called with mu held, when the waiter has left the queue, and unparks
// it. From then on the waiter may be in other hands.
func (w *waiter) end(outcome int32) {
	ended := w.ended.Load()
	w.outcome.Store(outcome)
	if ended != nil {
		close(ended)
	} else {
		w.cond.Signal()
	}
}

// A condLocker is a waiter as the Locker of its own sync.Cond. Nothing wakes
// that but end, so there is nothing left to look at under the lock afterwards,
// and it is not taken again.
type condLocker waiter

func (w *condLocker) Lock() { RaceDisable() }

func (w *condLocker) Unlock() {
	w.mu.Load().Unlock()
	RaceEnable()
}

// A waiterQueue is a list of waiters in the order in which they came. It is linked
// in a ring, so that one pointer leads to both of its ends.
type waiterQueue struct {
	head Guarded[*waiter]
}

func (q *waiterQueue) front() *waiter { return q.head.Load() }

// after returns who comes after w, which is in the queue, or nil.
func (q *waiterQueue) after(w *waiter) *waiter {
	if next := w.next.Load(); next != q.front() {
		return next
	}
	return nil
}

func (q *waiterQueue) push(w *waiter) {
	first, last := w, w
	if q.front() == nil {
		q.head.Store(w)
	} else {
		first = q.front()
		last = first.prev.Load()
	}
	link(last, w)
	link(w, first)
}

func (q *waiterQueue) remove(w *waiter) {
	prev, next := w.prev.Load(), w.next.Load()
	if next == w {
		q.head.Store(nil)
	} else {
		link(prev, next)
		if q.head.Load() == w {
			q.head.Store(next)
		}
	}
	w.prev.Store(nil)
	w.next.Store(nil)
}

func link(a, b *waiter) {
	a.next.Store(b)
	b.prev.Store(a)
}
