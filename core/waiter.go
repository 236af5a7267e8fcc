package core

// A waiter is one Acquire that stands in a semaphore's queue. The semaphore's mu
// guards it; outcome is final once ready is closed.
type waiter struct {
	n          Guarded[int64]
	outcome    Guarded[outcome]
	ready      Guarded[chan struct{}] // closed by end; made afresh, so it belongs to the waiter's bubble
	prev, next Guarded[*waiter]
}

type outcome int8

const (
	queued  outcome = iota
	granted         // has its permits
	refused         // asked for more than the limit now allows
)

func newWaiter(n int64) *waiter {
	w := new(waiter)
	w.n.Store(n)
	w.ready.Store(make(chan struct{}))
	return w
}

// end tells the waiter, which has left the queue, what became of it.
func (w *waiter) end(o outcome) {
	w.outcome.Store(o)
	close(w.ready.Load())
}

// A waiterQueue is a list of waiters in the order in which they came.
type waiterQueue struct {
	head, tail Guarded[*waiter]
	size       Guarded[int]
}

func (q *waiterQueue) front() *waiter { return q.head.Load() }

func (q *waiterQueue) push(w *waiter) {
	last := q.tail.Load()
	if last == nil {
		q.head.Store(w)
	} else {
		last.next.Store(w)
		w.prev.Store(last)
	}
	q.tail.Store(w)
	q.size.Store(q.size.Load() + 1)
}

func (q *waiterQueue) remove(w *waiter) {
	prev, next := w.prev.Load(), w.next.Load()
	if prev == nil {
		q.head.Store(next)
	} else {
		prev.next.Store(next)
	}
	if next == nil {
		q.tail.Store(prev)
	} else {
		next.prev.Store(prev)
	}
	w.prev.Store(nil)
	w.next.Store(nil)
	q.size.Store(q.size.Load() - 1)
}
