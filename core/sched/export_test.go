package sched

import "context"

// TaskOf is taskOf.
func TaskOf(ctx context.Context) *Context { return taskOf(ctx) }
