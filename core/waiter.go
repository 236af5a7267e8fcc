package core

// A waiter is one Acquire that stands in a semaphore's queue. The semaphore's mu
// guards it; outcome is final once ready is closed.
type waiter struct {
	n          guarded[int64]
	outcome    guarded[outcome]
	ready      guarded[chan struct{}] // closed by end; made afresh, so it belongs to the waiter's bubble
	prev, next guarded[*waiter]
}

type outcome int8

const (
	queued  outcome = iota
	granted         // has its permits
	refused         // asked for more than the limit now allows
)

func newWaiter(n int64) *waiter {
	w := new(waiter)
	w.n.store(n)
	w.ready.store(make(chan struct{}))
	return w
}

// end tells the waiter, which has left the queue, what became of it.
func (w *waiter) end(o outcome) {
	w.outcome.store(o)
	close(w.ready.load())
}

// A waiterQueue is a list of waiters in the order in which they came.
type waiterQueue struct {
	head, tail guarded[*waiter]
	size       guarded[int]
}

func (q *waiterQueue) front() *waiter { return q.head.load() }

func (q *waiterQueue) push(w *waiter) {
	last := q.tail.load()
	if last == nil {
		q.head.store(w)
	} else {
		last.next.store(w)
		w.prev.store(last)
	}
	q.tail.store(w)
	q.size.store(q.size.load() + 1)
}

func (q *waiterQueue) remove(w *waiter) {
	prev, next := w.prev.load(), w.next.load()
	if prev == nil {
		q.head.store(next)
	} else {
		prev.next.store(next)
	}
	if next == nil {
		q.tail.store(prev)
	} else {
		next.prev.store(prev)
	}
	w.prev.store(nil)
	w.next.store(nil)
	q.size.store(q.size.load() - 1)
}
