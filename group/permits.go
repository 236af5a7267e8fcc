package group

// permits are what a task holds that has not been accepted yet.
type permits struct {
	place  bool // within the engine's own limit
	shared bool // of the shared semaphore
}
