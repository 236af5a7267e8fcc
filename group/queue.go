package group

// A queue is a first-in, first-out ring that grows. The zero value is empty and
// ready for use.
type queue[T any] struct {
	ring []T // its length is a power of two
	head uint32
	n    uint32
}

const (
	firstRing  = 16
	ringGrowth = 4
	keptRing   = 4096 // slots that an empty queue keeps
)

func (q *queue[T]) push(v T) {
	if int(q.n) == len(q.ring) {
		q.grow()
	}
	q.ring[int(q.head+q.n)&(len(q.ring)-1)] = v
	q.n++
}

// pop takes the oldest out of a queue that is not empty, and leaves nothing of
// it behind for the garbage collector to find.
func (q *queue[T]) pop() T {
	slot := &q.ring[int(q.head)&(len(q.ring)-1)]
	v := *slot
	var zero T
	*slot = zero
	q.head++
	q.n--
	if q.n == 0 && len(q.ring) > keptRing {
		q.ring = nil
	}
	return v
}

func (q *queue[T]) grow() {
	ring := make([]T, max(firstRing, ringGrowth*len(q.ring)))
	if len(q.ring) > 0 {
		head := int(q.head) & (len(q.ring) - 1)
		copied := copy(ring, q.ring[head:])
		copy(ring[copied:], q.ring[:head])
	}
	q.ring, q.head = ring, 0
}
