package group

// permits are what a task holds from before it is accepted until it has ended,
// where there is such a limit.
type permits struct {
	own, shared bool
	try         bool // do not wait for what is missing
	waiting     bool // waits for own, and is counted in room.waiting
}
