package group

// A PanicPolicy says what becomes of a panic in a task.
type PanicPolicy int

const (
	// Propagate keeps the panic and raises it in Wait, as a
	// *[core.PanicError] with the value and the stack of the first panic and
	// the further ones as its Others. The other tasks run on, except that an
	// owner with a context cancels that at once.
	Propagate PanicPolicy = iota
	// Crash lets the panic end the process from where it happened, with its
	// own stack. No Wait returns meanwhile.
	Crash
	// Capture hands the panic to Options.OnPanic, and Wait does not raise it.
	// In errgroup it becomes the task's error instead.
	Capture
)
