// Package list is a doubly linked list. Its elements are fields of the values that they link, so
// PushBack and PushFront allocate nothing.
package list

// An Elem links a value into a list. It is a field of the struct to which Value points.
type Elem[T any] struct {
	Value T

	prev, next *Elem[T] // in a ring
	list       *List[T] // nil if e is in no list
}

// Listed reports whether e is in a list.
func (e *Elem[T]) Listed() bool { return e.list != nil }

// Next returns the element after e, or nil. e must be in a list.
func (e *Elem[T]) Next() *Elem[T] {
	if e.next == e.list.first {
		return nil
	}
	return e.next
}

// A List is a list of elements. The zero value is empty. The elements form a ring, so that both
// ends can be reached from one pointer.
type List[T any] struct {
	first *Elem[T]
}

// Empty reports whether there is no element.
func (l *List[T]) Empty() bool { return l.first == nil }

// Front returns the first element, or nil.
func (l *List[T]) Front() *Elem[T] { return l.first }

// Len counts the elements.
func (l *List[T]) Len() (n int) {
	for e := l.first; e != nil; e = e.Next() {
		n++
	}
	return n
}

// PushBack adds e at the end. e must be in no list.
func (l *List[T]) PushBack(e *Elem[T]) {
	if l.first == nil {
		l.first, e.prev, e.next = e, e, e
	} else {
		e.prev, e.next = l.first.prev, l.first
		e.prev.next, l.first.prev = e, e
	}
	e.list = l
}

// PushFront adds e at the front. e must be in no list.
func (l *List[T]) PushFront(e *Elem[T]) {
	l.PushBack(e)
	l.first = e
}

// Remove takes e out of l. e must be in l.
func (l *List[T]) Remove(e *Elem[T]) {
	if e.next == e {
		l.first = nil
	} else {
		e.prev.next, e.next.prev = e.next, e.prev
		if l.first == e {
			l.first = e.next
		}
	}
	e.prev, e.next, e.list = nil, nil, nil
}
