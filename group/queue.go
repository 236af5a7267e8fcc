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

// pop takes the oldest out of a queue that is not empty, and leaves nothing of
// it behind for the garbage collector to find.
func (q *queue[T]) pop() (en entry[T]) {
	if q.lonely {
		en, q.only, q.lonely = q.only, entry[T]{}, false
		q.n--
		return en
	}
	c := q.first
	var zero T
	en.task, c.tasks[q.head] = c.tasks[q.head], zero
	if c.metas != nil {
		en.meta, c.metas[q.head] = c.metas[q.head], nil
	}
	q.head++
	q.n--
	if q.n == 0 {
		q.head, q.tail = 0, 0
	} else if q.head == chunkLen {
		q.head = 0
		q.first = c.next
		if c.next = nil; q.frees < keptChunks {
			c.next, q.free = q.free, c
			q.frees++
		}
	}
	return en
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
