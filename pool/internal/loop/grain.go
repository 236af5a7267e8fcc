// This file holds what a worker measures of its items, and what it concludes: how many
// to take at a time. Invariant: between two looks at the clock a worker runs about
// chunk of work, unless its items have turned slow.

package loop

import "time"

const (
	// chunk is the measured work between two looks at the clock, at most. grain is
	// the measured work that a worker takes at a time.
	chunk = 20 * time.Microsecond
	grain = 8 * time.Microsecond
	// maxTaken is how many items a worker takes at a time, at most. The others are left
	// to it if the first of them proves slow.
	maxTaken = 128
	// maxMeasured is how many items a worker runs between two looks at the clock, at most.
	maxMeasured = 1024
)

// A grainSizer measures the items of one worker. It begins with one item at a time, and
// grows as long as they are quick. Where the clock stands still it stays at one.
type grainSizer struct {
	clock clock
	take  int           // how many items to take at a time
	due   int           // how many to run before the next look at the clock
	ran   int           // how many were run since the last look
	last  time.Duration // when that was
	each  time.Duration // of an item, in that time; at least 1
}

// newGrainSizer returns the grain sizer of a worker that begins at a time.
func newGrainSizer(c clock, at time.Duration) grainSizer {
	return grainSizer{clock: c, take: 1, due: 1, last: at}
}

// restart leaves out the time since the last look, in which no items ran.
func (g *grainSizer) restart() {
	g.last, g.ran = g.clock.now(), 0
}

// count counts items that have run, and reports whether it has measured.
func (g *grainSizer) count(items int) bool {
	if g.ran += items; g.ran < g.due {
		return false
	}
	now := g.clock.now()
	if g.clock.frozen && now == g.last {
		return false
	}
	g.each = max((now-g.last)/time.Duration(g.ran), 1)
	g.take = int(min(max(grain/g.each, 1), maxTaken))
	g.due = int(min(max(chunk/g.each, 1), time.Duration(64*g.ran), maxMeasured))
	g.last, g.ran = now, 0
	if g.clock.frozen {
		g.take, g.due = 1, 1
	}
	return true
}

// epoch is what all clocks count from.
var epoch = time.Now()

// A clock measures the time since a loop began.
type clock struct {
	began time.Duration // since epoch
	// frozen is set if the clock stands still while goroutines run. That is so in a
	// synctest bubble, where only waiting can be measured. A bubble begins in the
	// year 2000, before epoch.
	frozen bool
}

func newClock() clock {
	began := time.Since(epoch)
	return clock{began, began < 0}
}

// now returns the time since the loop began.
func (c *clock) now() time.Duration { return time.Since(epoch) - c.began }
