package group

// patience says for how long somebody waits for room.
type patience uint8

const (
	doesNotWait patience = iota
	mayGiveUp
	waitsForEver
)
