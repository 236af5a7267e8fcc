package group

import "time"

// A Task is a named task as a [StuckError] found it.
type Task struct {
	Name    string
	Started time.Time
	Stack   []byte // the stack trace of its goroutine; nil if the task ended meanwhile
}
