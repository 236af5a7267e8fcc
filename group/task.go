package group

import "time"

// A Task is a named task as a [StuckError] found it.
type Task struct {
	Name    string    // after those of the owners around it: "ingest/fetch"
	Started time.Time // when it began to run
	Stack   []byte    // the stack trace of its goroutine; nil if the task ended meanwhile
}
