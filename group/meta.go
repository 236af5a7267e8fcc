package group

import "context"

// meta is what a task carries that has a name or a context.
type meta struct {
	path    string
	labels  context.Context // holds the pprof labels; nil: the goroutine keeps its own
	context *taskContext    // nil for a task without a context
}
