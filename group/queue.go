package group

// A queue is first in, first out: a list of chunks. The zero value is empty and
// ready for use.
type queue[T Job] struct {
	only        entry[T]  // instead of a chunk, if there has never been more than one task
	first, last *chunk[T] // nil if there is none
	free        *chunk[T] // kept for the next that is needed
	n           uint32
	head, tail  uint8 // index of the oldest in first; of the next to come in last
	frees       uint8
	lonely      bool // only is in use, and is the oldest
}

// keptChunks is how many chunks a queue keeps that it does not need.
const keptChunks = 128

func (q *queue[T]) push(en entry[T]) {
	if c := q.last; c != nil && q.tail < chunkLen && en.meta == nil {
		c.tasks[q.tail] = en.task
		q.tail++
		q.n++
		return
	}
	q.pushSlow(en)
}

func (q *queue[T]) pushSlow(en entry[T]) {
	if q.last == nil && q.n == 0 {
		q.only, q.lonely, q.n = en, true, 1
		return
	}
	if q.last == nil || q.tail == chunkLen {
		q.grow()
	}
	q.last.tasks[q.tail] = en.task
	if en.meta != nil {
		if q.last.metas == nil {
			q.last.metas = new([chunkLen]*meta)
		}
		q.last.metas[q.tail] = en.meta
	}
	q.tail++
	q.n++
}

// pop takes the oldest out of a queue that is not empty.
func (q *queue[T]) pop() (en entry[T]) {
	q.n--
	if q.lonely {
		en, q.only, q.lonely = q.only, entry[T]{}, false
		return en
	}
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
	if q.lonely {
		return nil
	}
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
	return c
}

// unchain takes out the oldest chunk.
func (q *queue[T]) unchain() {
	c := q.first
	q.first, c.next = c.next, nil
	if q.first == nil {
		q.last = nil
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
