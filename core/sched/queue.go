package sched

import (
	"slices"
	"sync"

	"github.com/coterie-go/coterie/core/race"
)

// This file holds the run queue: unclaimed tasks in segments, first in, first out. Invariant: each
// task is claimed once, either with mu held, or, in a taken segment, by the worker whose addition
// to claimed returned the task's index.

func (q *runQueue) init() { q.tail = segmentLen }

// fits reports whether the last segment has a free slot for a task of set.
func (q *runQueue) fits(set *Set) bool { return q.tail < segmentLen && q.last.set == set }

// pushFast adds a task to the last segment, which has a free slot for it.
func (q *runQueue) pushFast(t Task) {
	q.last.tasks[q.tail] = t
	q.tail++
	q.n++
}

func (q *runQueue) push(t Task, set *Set) {
	if !q.fits(set) {
		q.grow(set)
	}
	q.pushFast(t)
}

// grow adds a segment for tasks of set.
func (q *runQueue) grow(set *Set) {
	if q.last != nil {
		q.last.end = q.tail
	}
	g := newSegment()
	g.set = set
	if set != nil && set.emptyLocked() {
		set.round++
	}
	set.addSegments(1)
	q.queued.PushBack(&g.link)
	q.last, q.tail = g, 0
}

// segments holds the segments that no scheduler uses.
var segments = sync.Pool{New: func() any {
	g := new(segment)
	g.link.Value = g
	return g
}}

// newSegment returns a segment without tasks.
func newSegment() *segment {
	if race.Hidden { // the detector would see the pool order those that use it
		return segments.New().(*segment)
	}
	return segments.Get().(*segment)
}

// front returns the oldest segment that is not taken, and its end.
func (q *runQueue) front() (g *segment, end uint32) {
	g = q.queued.Front().Value
	return g, q.endOf(g)
}

// endOf returns the end of a segment that is not taken.
func (q *runQueue) endOf(g *segment) uint32 {
	if g == q.last {
		return q.tail
	}
	return g.end
}

// pop claims the oldest task of a queue that is not empty.
func (q *runQueue) pop() (Task, *Set) {
	g, end := q.front()
	set := g.set
	t := g.clear(q.head)
	q.head++
	q.n--
	if q.head == end {
		recycle(q.removeFront())
	}
	return t, set
}

func (q *runQueue) removeFront() *segment {
	g := q.queued.Front().Value
	q.queued.Remove(&g.link)
	q.head = 0
	if g == q.last {
		q.last, q.tail = nil, segmentLen
	}
	return g
}

// popSegment takes the oldest segment, or its oldest tasks if it has more than most. It returns nil
// if there are less than two such tasks, or if the tasks have a key.
func (q *runQueue) popSegment(most int) *segment {
	if q.n < 2 || most < 2 {
		return nil
	}
	g, end := q.front()
	if g.set.queueOfKey() != nil { // the end of one of them can start the next
		return nil
	}
	n := min(int(end-q.head), most)
	if n < 2 {
		return nil
	}
	if n == int(end-q.head) {
		q.removeFrontTo(end)
		q.listTaken(g, n)
		return g
	}
	part := newSegment()
	part.set = g.set
	part.set.addSegments(1)
	copy(part.tasks[:n], g.tasks[q.head:])
	clear(g.tasks[q.head : int(q.head)+n])
	q.head += uint32(n)
	part.end = uint32(n)
	part.claimed.Store(0)
	q.listTaken(part, n)
	return part
}

// removeFrontTo removes the front segment, whose tasks up to end are taken.
func (q *runQueue) removeFrontTo(end uint32) {
	g, head := q.queued.Front().Value, q.head
	q.removeFront()
	g.claimed.Store(head)
	g.end = end
}

// listTaken lists a segment with n unclaimed tasks as taken. It was removed from the queue.
func (q *runQueue) listTaken(g *segment, n int) {
	q.n -= n
	q.number++
	g.number = q.number
	q.taken.PushBack(&g.link)
}

// claim claims the next task of a taken segment, or returns nil.
func (g *segment) claim() Task {
	i := g.claimed.Add(1) - 1
	if i >= g.end {
		return nil
	}
	return g.clear(i)
}

// unclaimed returns the number of unclaimed tasks of a taken segment.
func (g *segment) unclaimed() int { return max(0, int(g.end)-int(g.claimed.Load())) }

// clear returns the task at index i, and sets its slot to nil, so that the garbage collector can
// free the task.
func (g *segment) clear(i uint32) Task {
	t := g.tasks[i]
	g.tasks[i] = nil
	return t
}

// stealable returns the oldest taken segment of set that has an unclaimed task, or nil. It
// considers the segments of all sets if any is set. It unlists segments without an unclaimed task.
func (q *runQueue) stealable(set *Set, any bool) *segment {
	for e := q.taken.Front(); e != nil; {
		g, next := e.Value, e.Next()
		switch {
		case g.unclaimed() == 0:
			q.taken.Remove(e)
		case any || g.set == set:
			return g
		}
		e = next
	}
	return nil
}

// late reports whether a taken segment has an unclaimed task, and more than many segments were
// taken after it.
func (q *runQueue) late(many uint32) bool {
	e := q.taken.Front()
	if e == nil || q.number-e.Value.number <= many {
		return false
	}
	g := q.stealable(nil, true)
	return g != nil && q.number-g.number > many
}

// takenUnclaimed returns the number of unclaimed tasks in taken segments.
func (q *runQueue) takenUnclaimed() (n int) {
	for e := q.taken.Front(); e != nil; {
		next := e.Next()
		if left := e.Value.unclaimed(); left > 0 {
			n += left
		} else {
			q.taken.Remove(e)
		}
		e = next
	}
	return n
}

// unclaimedOf returns the number of unclaimed tasks of set.
func (q *runQueue) unclaimedOf(set *Set) (n int) {
	start := q.head
	for e := q.queued.Front(); e != nil; e = e.Next() {
		if e.Value.set == set {
			n += int(q.endOf(e.Value) - start)
		}
		start = 0
	}
	for e := q.taken.Front(); e != nil; e = e.Next() {
		if e.Value.set == set {
			n += e.Value.unclaimed()
		}
	}
	return n
}

// unclaimed returns the number of unclaimed tasks.
func (q *runQueue) unclaimed() int {
	if q.taken.Empty() {
		return q.n
	}
	return q.n + q.takenUnclaimed()
}

// revoke puts the unclaimed tasks of taken segments back where they were, at the front.
func (q *runQueue) revoke() {
	var back []*segment
	for g := q.stealable(nil, true); g != nil; g = q.stealable(nil, true) {
		to := newSegment()
		to.set = g.set
		g.set.addSegments(1)
		for t := g.claim(); t != nil; t = g.claim() {
			to.tasks[to.end] = t
			to.end++
		}
		g.attached++
		q.detach(g)
		if to.end == 0 {
			recycle(to)
			continue
		}
		back = append(back, to)
	}
	if len(back) > 0 {
		q.align()
	}
	for _, g := range slices.Backward(back) {
		q.n += int(g.end)
		q.queued.PushFront(&g.link)
	}
}

// align moves the tasks of the front segment to its beginning.
func (q *runQueue) align() {
	if q.queued.Empty() {
		return
	}
	g, end := q.front()
	n := copy(g.tasks[:], g.tasks[q.head:end])
	clear(g.tasks[n:end])
	if g == q.last {
		q.tail = uint32(n)
	} else {
		g.end = uint32(n)
	}
	q.head = 0
}

// detach is called when a worker no longer claims from g.
func (q *runQueue) detach(g *segment) {
	if g.attached--; g.attached > 0 || g.unclaimed() > 0 {
		return
	}
	if g.link.Listed() {
		q.taken.Remove(&g.link)
	}
	recycle(g)
}

// recycle frees a segment without tasks for use by any scheduler.
func recycle(g *segment) {
	g.set.addSegments(-1)
	g.set = nil
	if !race.Hidden {
		g.end = 0
		segments.Put(g)
	}
}

// popOf claims the oldest task of set in the queue, or returns nil.
func (q *runQueue) popOf(set *Set) Task {
	for e := q.queued.Front(); e != nil; e = e.Next() {
		g := e.Value
		switch {
		case g.set != set:
		case e == q.queued.Front():
			t, _ := q.pop()
			return t
		default:
			return q.popFrom(g)
		}
	}
	return nil
}

// popFrom claims the first task of a segment in the middle of the queue.
func (q *runQueue) popFrom(g *segment) Task {
	end := &g.end
	if g == q.last {
		end = &q.tail
	}
	t := g.tasks[0]
	*end--
	copy(g.tasks[:*end], g.tasks[1:])
	g.tasks[*end] = nil
	q.n--
	if *end == 0 {
		q.queued.Remove(&g.link)
		if g == q.last {
			q.last, q.tail = nil, segmentLen
		}
		recycle(g)
	}
	return t
}
