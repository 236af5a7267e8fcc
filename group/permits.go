package group

// permits are what a task holds from before it is accepted until it has ended,
// where there is such a limit.
type permits struct {
	own, shared bool

	patience patience // if own is missing
	counted  patience // as which the task counts in the room
}

// patience is how somebody waits for a permit.
type patience uint8

const (
	none   patience = iota
	yields          // lets the tasks run for once, which is cheaper than to park
	parks
)
