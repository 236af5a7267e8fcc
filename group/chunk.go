package group

import "sync/atomic"

// A chunk is a part of a queue. When a goroutine takes a chunk out of the queue as
// a whole, it becomes that goroutine's lot.
//
// The tasks of a lot are claimed one by one, from the front, each by an atomic
// addition: by the goroutine that has the lot, without mu, and by others under mu.
// Whoever claims a task has its place to itself, and clears it. The goroutine gives
// the lot back, under mu, when it has found no task left there; so nobody claims in
// a chunk that is in use again.
type chunk[T Job] struct {
	tasks [chunkLen]T
	metas *[chunkLen]*meta // nil if no task has one

	claimed atomic.Uint32 // of a lot: places before this one are taken; all, if it is not below end
	end     uint32        // of a lot: places from this one on are empty; does not change

	next, prev *chunk[T] // in the queue, its free list, or the lots; guarded by mu
	number     uint32    // of a lot, in the order in which they were taken; guarded by mu
	listed     bool      // among the lots; guarded by mu
}

// chunkLen makes a chunk 256 bytes if a task is a pointer.
const chunkLen = 27

// claim takes the next task out of a lot, or reports false if there is none left.
func (c *chunk[T]) claim(en *entry[T]) bool {
	i := c.claimed.Add(1) - 1
	if i >= c.end {
		return false
	}
	*en = c.clear(i)
	return true
}

// open returns how many tasks of a lot nobody has claimed.
func (c *chunk[T]) open() int { return max(0, int(c.end)-int(c.claimed.Load())) }

// clear takes a task out of its place, and leaves nothing of it behind for the
// garbage collector to find.
func (c *chunk[T]) clear(i uint32) (en entry[T]) {
	var zero T
	en.task, c.tasks[i] = c.tasks[i], zero
	if c.metas != nil {
		en.meta, c.metas[i] = c.metas[i], nil
	}
	return en
}
