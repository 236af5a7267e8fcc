// This file measures how long a worker's items take, and computes how many it takes at a time.
// Invariant: between two looks at the clock a worker works for about lookEvery, unless its items
// have become slow.

package loop

import "time"

const (
	// lookEvery is the most measured work between two looks at the clock. grain is the measured
	// work that a worker takes at a time.
	lookEvery = 20 * time.Microsecond
	grain     = 8 * time.Microsecond
	// maxTaken is how many items a worker takes at a time, at most. Other workers do not take these
	// from it, even if the first is slow.
	maxTaken = 128
	// maxMeasured is how many items a worker runs between two looks at the clock, at most.
	maxMeasured = 1024
)

// A grainSizer measures the items of one worker. It begins with one item at a time, and increases
// the number while items are quick. It stays at one if the clock is frozen.
type grainSizer struct {
	clock clock
	size  int           // how many items the worker takes at a time
	due   int           // how many items run before the next look at the clock
	ran   int           // how many items have run since the last look
	last  time.Duration // when the last look was
	each  time.Duration // measured time of one item; at least 1
}

// newGrainSizer returns the grain sizer of a worker that begins at the given time.
func newGrainSizer(c clock, at time.Duration) grainSizer {
	return grainSizer{clock: c, size: 1, due: 1, last: at}
}

// restart begins a new measurement. No items have run since the last look.
func (g *grainSizer) restart() {
	g.last, g.ran = g.clock.now(), 0
}

// count counts items that have run. It reports whether it has looked at the clock and computed new
// values.
func (g *grainSizer) count(items int) bool {
	if g.ran += items; g.ran < g.due {
		return false
	}
	now := g.clock.now()
	if g.clock.frozen && now == g.last {
		return false
	}
	g.each = max((now-g.last)/time.Duration(g.ran), 1)
	g.size = int(min(max(grain/g.each, 1), maxTaken))
	g.due = int(min(max(lookEvery/g.each, 1), time.Duration(64*g.ran), maxMeasured))
	g.last, g.ran = now, 0
	if g.clock.frozen {
		g.size, g.due = 1, 1
	}
	return true
}

// epoch is the zero of all clocks.
var epoch = time.Now()

// A clock measures the time since a loop began.
type clock struct {
	began time.Duration // since epoch
	// frozen is set if the clock stands still while goroutines run. In a synctest bubble it does:
	// there only time in which goroutines block can be measured. The clock of a bubble begins in
	// the year 2000, before epoch.
	frozen bool
}

func newClock() clock {
	began := time.Since(epoch)
	return clock{began, began < 0}
}

// now returns the time since the loop began.
func (c *clock) now() time.Duration { return time.Since(epoch) - c.began }
