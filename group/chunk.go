package group

// A chunk is a part of a queue.
type chunk[T Job] struct {
	tasks [chunkLen]T
	metas *[chunkLen]*meta // nil if no task has one
	next  *chunk[T]
}

// chunkLen makes a chunk 256 bytes if a task is a pointer.
const chunkLen = 30
