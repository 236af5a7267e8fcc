package group

import "time"

// A TaskRecord is what an owner keeps of a named task that runs.
type TaskRecord struct {
	Name      string
	Started   time.Time
	Goroutine uint64 // as GoroutineID gave it
}
