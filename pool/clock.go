package pool

import "time"

// epoch is what all clocks count from. Any time at which the program runs would do.
var epoch = time.Now()

// A clock tells the time since a loop began.
type clock struct {
	began time.Duration // since epoch
	// frozen says that the clock stands still while goroutines run: that of a
	// synctest bubble, where only waiting can be measured. There it is the year
	// 2000 at first, so that epoch is to come.
	frozen bool
}

func newClock() clock {
	began := time.Since(epoch)
	return clock{began, began < 0}
}

// now returns the time since the loop began.
func (c *clock) now() time.Duration { return time.Since(epoch) - c.began }
