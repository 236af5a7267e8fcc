package group

import "time"

// A timer says since when a task runs, if it is one that is timed.
type timer struct {
	began time.Time
	runs  bool
}
