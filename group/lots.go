package group

// lots is a list of the lots that goroutines have, in the order in which they were
// taken. Those that are exhausted may be missing. The engine's mu guards it.
type lots[T Job] struct {
	first, last *chunk[T]
	taken       uint32 // how many there have been; wraps
}

func (l *lots[T]) push(c *chunk[T]) {
	l.taken++
	c.prev, c.listed, c.number = l.last, true, l.taken
	if l.last == nil {
		l.first = c
	} else {
		l.last.next = c
	}
	l.last = c
}

func (l *lots[T]) remove(c *chunk[T]) {
	if c.prev == nil {
		l.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next, c.listed = nil, nil, false
}

// oldest returns the oldest lot that has an open task, or nil. It drops those that
// have none.
func (l *lots[T]) oldest() *chunk[T] {
	for c := l.first; c != nil; c = l.first {
		if c.open() > 0 {
			return c
		}
		l.remove(c)
	}
	return nil
}

// late reports whether there is an open task in a lot after which more than so many
// were taken. The list must not be empty.
func (l *lots[T]) late(many uint32) bool {
	if l.taken-l.first.number <= many {
		return false
	}
	c := l.oldest()
	return c != nil && l.taken-c.number > many
}

// open returns the number of open tasks.
func (l *lots[T]) open() (n int) {
	for c := l.first; c != nil; c = c.next {
		n += c.open()
	}
	return n
}
