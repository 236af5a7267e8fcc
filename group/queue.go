package group

// A queue is first in, first out. The zero value is empty and ready for use.
type queue[T Job] struct {
	only    T           // the oldest, if lonely
	backlog *backlog[T] // nil as long as there has not been more than one task, nor one with a meta
	n       uint32
	lonely  bool
}

// A backlog is a list of chunks, which hold the tasks of a queue but for only.
type backlog[T Job] struct {
	initial     chunk[T]  // the one that is used first
	first, last *chunk[T] // nil if there is none
	free        *chunk[T] // kept for the next that is needed
	head, tail  uint8     // index of the oldest in first; of the next to come in last
	frees       uint8
	lots        lots[T] // what goroutines have taken
}

// keptChunks is how many chunks a backlog keeps that it does not need.
const keptChunks = 128

func (q *queue[T]) push(en entry[T]) {
	if b := q.backlog; b != nil && b.last != nil && b.tail < chunkLen && en.meta == nil {
		b.last.tasks[b.tail] = en.task
		b.tail++
		q.n++
		return
	}
	q.pushSlow(en)
}

func (q *queue[T]) pushSlow(en entry[T]) {
	b := q.backlog
	if q.n == 0 && en.meta == nil && (b == nil || b.last == nil) {
		q.only, q.lonely, q.n = en.task, true, 1
		return
	}
	if b == nil {
		b = new(backlog[T])
		b.recycle(&b.initial)
		q.backlog = b
	}
	if b.last == nil || b.tail == chunkLen {
		b.grow()
	}
	b.last.tasks[b.tail] = en.task
	if en.meta != nil {
		if b.last.metas == nil {
			b.last.metas = new([chunkLen]*meta)
		}
		b.last.metas[b.tail] = en.meta
	}
	b.tail++
	q.n++
}

// pop takes the oldest out of a queue that is not empty.
func (q *queue[T]) pop() (en entry[T]) {
	q.n--
	if q.lonely {
		var zero T
		en.task, q.only, q.lonely = q.only, zero, false
		return en
	}
	b := q.backlog
	c := b.first
	en = c.clear(uint32(b.head))
	b.head++
	if q.n == 0 {
		b.head, b.tail = 0, 0
	} else if b.head == chunkLen {
		b.unchain()
		b.recycle(c)
	}
	return en
}

// popLot takes the oldest chunk out of a queue that is not empty, as a lot. It
// returns nil if that would be of one task only.
func (q *queue[T]) popLot() *chunk[T] {
	if q.lonely {
		return nil
	}
	b := q.backlog
	c := b.first
	head, end := uint32(b.head), uint32(chunkLen)
	if c == b.last {
		end = uint32(b.tail)
	}
	if end-head < 2 {
		return nil
	}
	c.claimed.Store(head)
	c.end = end
	q.n -= end - head
	b.unchain()
	b.lots.push(c)
	return c
}

// hasLots reports whether the list of lots is not empty. They may be exhausted.
func (q *queue[T]) hasLots() bool { return q.backlog != nil && q.backlog.lots.first != nil }

// unchain takes out the oldest chunk.
func (b *backlog[T]) unchain() {
	c := b.first
	b.first, c.next = c.next, nil
	if b.first == nil {
		b.last = nil
	}
	b.head = 0
}

// recycle keeps a chunk that is empty and not in the queue for later.
func (b *backlog[T]) recycle(c *chunk[T]) {
	if b.frees < keptChunks {
		c.next, b.free = b.free, c
		b.frees++
	}
}

func (b *backlog[T]) grow() {
	c := b.free
	if c == nil {
		c = new(chunk[T])
	} else {
		b.free, c.next = c.next, nil
		b.frees--
	}
	if b.last == nil {
		b.first = c
	} else {
		b.last.next = c
	}
	b.last, b.tail = c, 0
}
