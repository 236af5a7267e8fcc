package group

// A queue is first in, first out: a list of chunks. It also keeps the list of those
// that goroutines have taken out of it as lots.
type queue[T Job] struct {
	first, last *chunk[T] // nil if there is none
	n           uint32    // how many tasks
	head, tail  uint8     // index of the oldest in first; of the next to come in last, chunkLen if that is nil
	frees       uint8
	free        *chunk[T] // kept for the next that is needed
	lots        lots[T]   // what goroutines have taken
	initial     chunk[T]  // the one that is used first
}

func (q *queue[T]) init() {
	q.tail = chunkLen
	q.recycle(&q.initial)
}

// keptChunks is how many chunks a queue keeps that it does not need.
const keptChunks = 128

func (q *queue[T]) push(en entry[T]) {
	if en.meta == nil && q.pushFast(en.task) {
		return
	}
	if q.tail == chunkLen {
		q.grow()
	}
	if en.meta != nil {
		if q.last.metas == nil {
			q.last.metas = new([chunkLen]*meta)
		}
		q.last.metas[q.tail] = en.meta
	}
	q.pushFast(en.task)
}

// pushFast puts a task into the last chunk, or reports false if that is full.
func (q *queue[T]) pushFast(t T) bool {
	if q.tail >= chunkLen {
		return false
	}
	q.last.tasks[q.tail] = t
	q.tail++
	q.n++
	return true
}

// pop takes the oldest out of a queue that is not empty.
func (q *queue[T]) pop() (en entry[T]) {
	q.n--
	c := q.first
	en = c.clear(uint32(q.head))
	q.head++
	if q.n == 0 {
		q.head, q.tail = 0, 0
	} else if q.head == chunkLen {
		q.unchain()
		q.recycle(c)
	}
	return en
}

// popLot takes the oldest chunk out of a queue that is not empty, as a lot. It
// returns nil if that would be of one task only.
func (q *queue[T]) popLot() *chunk[T] {
	c := q.first
	head, end := uint32(q.head), uint32(chunkLen)
	if c == q.last {
		end = uint32(q.tail)
	}
	if end-head < 2 {
		return nil
	}
	c.claimed.Store(head)
	c.end = end
	q.n -= end - head
	q.unchain()
	q.lots.push(c)
	return c
}

// open reports whether there is an open task.
func (q *queue[T]) open() bool { return q.n > 0 || q.hasLots() && q.lots.oldest() != nil }

// pick takes the oldest task out of the queue, or a lot that begins with it.
func (q *queue[T]) pick(h *hand[T], mayBeLot bool) bool {
	if q.n == 0 {
		return false
	}
	h.busy = true
	if mayBeLot {
		if c := q.popLot(); c != nil {
			c.claim(&h.entry)
			h.lot = c
			return true
		}
	}
	h.entry = q.pop()
	return true
}

// hasLots reports whether the list of lots is not empty. They may be exhausted.
func (q *queue[T]) hasLots() bool { return q.lots.first != nil }

// steal claims a task of the oldest lot that has an open one, whosever it is.
//
// Spares do so before they look into the queue. So does everybody when many lots have
// been taken after that one: else its tasks would wait for a spare each, and meanwhile
// one who starts tasks without end could keep all goroutines busy with younger ones.
func (q *queue[T]) steal(h *hand[T]) bool {
	for c := q.lots.oldest(); c != nil; c = q.lots.oldest() {
		if c.claim(&h.entry) {
			h.busy = true
			return true
		}
	}
	return false
}

// putDown gives back the lot of a goroutine that has found it exhausted.
func (q *queue[T]) putDown(h *hand[T]) {
	if h.lot.listed {
		q.lots.remove(h.lot)
	}
	q.recycle(h.lot)
	h.lot = nil
}

// revoke puts the open tasks of all lots back into the queue. With a limit
// there are no lots, because the end of each task makes room for another.
func (q *queue[T]) revoke() {
	for c := q.lots.oldest(); c != nil; c = q.lots.oldest() {
		for i := c.claimed.Swap(chunkLen); i < uint32(c.end); i++ {
			q.push(c.clear(i))
		}
	}
}

// unchain takes out the oldest chunk.
func (q *queue[T]) unchain() {
	c := q.first
	q.first, c.next = c.next, nil
	if q.first == nil {
		q.last, q.tail = nil, chunkLen
	}
	q.head = 0
}

// recycle keeps a chunk that is empty and not in the queue for later.
func (q *queue[T]) recycle(c *chunk[T]) {
	if q.frees < keptChunks {
		c.next, q.free = q.free, c
		q.frees++
	}
}

func (q *queue[T]) grow() {
	c := q.free
	if c == nil {
		c = new(chunk[T])
	} else {
		q.free, c.next = c.next, nil
		q.frees--
	}
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last, q.tail = c, 0
}
