package sched

import (
	"slices"
	"sync"

	"github.com/coterie-go/coterie/core/race"
)

// This file holds the run queue: unclaimed tasks in segments, first in, first out. Invariant: each
// task is claimed once, either with mu held, or, in a taken segment, by the worker whose addition
// to claimed returned the task's index.

func (q *runQueue) init() { q.last = &fullSegment }

// fullSegment is the last segment of a run queue without segments. Nothing changes it.
var fullSegment = segment{end: segmentLen}

// fits reports whether a task of set needs no further segment: the queue is empty, so that the task
// may be first, or the last segment has a free slot for it.
func (q *runQueue) fits(set *Set) bool {
	return q.last.set == set && q.last.end < segmentLen || q.n == 0 && set == nil
}

// pushFast adds a task of a set for which fits has reported true.
func (q *runQueue) pushFast(t Task, set *Set) {
	if q.n == 0 && set == nil {
		q.first = t
	} else {
		q.last.tasks[q.last.end] = t
		q.last.end++
	}
	q.n++
}

func (q *runQueue) push(t Task, set *Set) {
	if !q.fits(set) {
		if set != nil && set.emptyLocked() {
			set.round++
		}
		q.last = newSegment(set)
		q.queued.PushBack(&q.last.link)
	}
	q.pushFast(t, set)
}

// segments holds the segments that no scheduler uses.
var segments = sync.Pool{New: func() any {
	g := new(segment)
	g.link.Value = g
	return g
}}

// newSegment returns a segment without tasks, for tasks of set.
func newSegment(set *Set) (g *segment) {
	if race.Hidden { // the detector would see the pool order those that use it
		g = segments.New().(*segment)
	} else {
		g = segments.Get().(*segment)
	}
	g.set = set
	set.addSegments(1)
	return g
}

// pop claims the oldest task of a queue that is not empty.
func (q *runQueue) pop() (Task, *Set) {
	if t := q.first; t != nil {
		q.first = nil
		q.n--
		return t, nil
	}
	g := q.queued.Front().Value
	set := g.set
	return q.popFrom(g), set
}

// popFrom claims the oldest task of a segment of the queue.
func (q *runQueue) popFrom(g *segment) Task {
	t := g.clear(g.head)
	g.head++
	q.n--
	if g.head == g.end {
		q.remove(g)
		recycle(g)
	}
	return t
}

func (q *runQueue) remove(g *segment) {
	q.queued.Remove(&g.link)
	if g == q.last {
		q.last = &fullSegment
	}
}

// popSegment takes the oldest segment, or its oldest tasks if it has more than most. It returns nil
// if there are less than two such tasks, or if the tasks have a key.
func (q *runQueue) popSegment(most int) *segment {
	if q.n < 2 || most < 2 || q.first != nil {
		return nil
	}
	g := q.queued.Front().Value
	if g.set.queueOfKey() != nil { // the end of one of them can start the next
		return nil
	}
	left := int(g.end - g.head)
	n := min(left, most)
	switch {
	case n < 2:
		return nil
	case n == left:
		q.remove(g)
	default:
		part := newSegment(g.set)
		part.end = uint32(copy(part.tasks[:n], g.tasks[g.head:]))
		clear(g.tasks[g.head : int(g.head)+n])
		g.head += uint32(n)
		g = part
	}
	g.claimed.Store(g.head)
	q.n -= n
	q.number++
	g.number = q.number
	q.taken.PushBack(&g.link)
	return g
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

// unclaimedOf returns the number of unclaimed tasks of set, which is not nil.
func (q *runQueue) unclaimedOf(set *Set) (n int) {
	for e := q.queued.Front(); e != nil; e = e.Next() {
		if g := e.Value; g.set == set {
			n += int(g.end - g.head)
		}
	}
	for e := q.taken.Front(); e != nil; e = e.Next() {
		if g := e.Value; g.set == set {
			n += g.unclaimed()
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
		to := newSegment(g.set)
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
	if t := q.first; t != nil && len(back) > 0 { // it was accepted after the tasks in back
		q.first = nil
		g := newSegment(nil)
		g.tasks[0], g.end = t, 1
		q.queued.PushFront(&g.link)
	}
	for _, g := range slices.Backward(back) {
		q.n += int(g.end)
		q.queued.PushFront(&g.link)
	}
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
		g.head, g.end = 0, 0
		segments.Put(g)
	}
}

// popOf claims the oldest task of set, which is not nil, in the queue. It returns nil if there is
// none.
func (q *runQueue) popOf(set *Set) Task {
	for e := q.queued.Front(); e != nil; e = e.Next() {
		if e.Value.set == set {
			return q.popFrom(e.Value)
		}
	}
	return nil
}
