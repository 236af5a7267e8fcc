package group

// An entry is a task and what the engine knows of it.
type entry[T Job] struct {
	task T
	meta *meta // nil for a task without a name and a context
}
