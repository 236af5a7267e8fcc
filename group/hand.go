package group

// A hand is what a goroutine has taken.
type hand[T Job] struct {
	entry[T]           // the task that it runs or has run last
	busy     bool      // the goroutine is counted as busy; if it is not, it is spare
	lot      *chunk[T] // where it claims the next task; nil if it has none
	timer    timer     // of the task
	record   *running  // of a named task
}

// claim ends the task that the goroutine has run, and takes the next of its lot.
func (h *hand[T]) claim() bool { return h.lot != nil && h.lot.claim(&h.entry) }
