package group

// A queue is a first-in, first-out ring that grows. The zero value is empty and
// ready for use. It must not be copied once something was put into it.
type queue[T any] struct {
	ring  []T // its length is a power of two
	head  int // index of the oldest
	n     int
	first [inlineSlots]T // spares small fan-outs an allocation
}

const (
	inlineSlots = 2
	firstRing   = 64
	keptRing    = 4096 // slots that an empty queue keeps
)

func (q *queue[T]) push(v T) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = v
	q.n++
}

// pop takes the oldest out of a queue that is not empty, and leaves nothing of
// it behind for the garbage collector to find.
func (q *queue[T]) pop() T {
	slot := &q.ring[q.head]
	v := *slot
	var zero T
	*slot = zero
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	if q.n == 0 && len(q.ring) > keptRing {
		q.ring, q.head = nil, 0
	}
	return v
}

func (q *queue[T]) grow() {
	if q.ring == nil {
		q.ring = q.first[:]
		return
	}
	ring := make([]T, max(firstRing, 2*len(q.ring)))
	copied := copy(ring, q.ring[q.head:])
	copy(ring[copied:], q.ring[:q.head])
	clear(q.first[:])
	q.ring, q.head = ring, 0
}
