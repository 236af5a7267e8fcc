package pool

import "time"

// A clock tells the time since a loop began.
type clock struct {
	began time.Time
	// frozen says that the clock stands still while goroutines run: that of a
	// synctest bubble, where only waiting can be measured.
	frozen bool
}

func newClock() clock {
	c := clock{began: time.Now()}
	for range 8 { // more than once, because it may be coarse
		if time.Since(c.began) > 0 {
			return c
		}
	}
	c.frozen = true
	return c
}

// now returns the time since the loop began.
func (c *clock) now() time.Duration { return time.Since(c.began) }
