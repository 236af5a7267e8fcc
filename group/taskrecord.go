package group

import "time"

// A TaskRecord is what an owner keeps of a named task that runs.
type TaskRecord struct {
	Name      string    // as in Task
	Started   time.Time // as in Task
	Goroutine uint64    // as GoroutineID gave it
}
