package pool

import "time"

const (
	// chunk is the measured work that a worker does between two looks at the
	// clock, at most, and grain that which it takes at a time.
	chunk = 20 * time.Microsecond
	grain = 8 * time.Microsecond
	// mostTaken is how many items a worker takes at a time, at most: those are
	// left to it should one of them prove slow.
	mostTaken = 128
	// mostMeasured is how many items a worker runs between two looks at the
	// clock, at most.
	mostMeasured = 1024
)

// A pace is what a worker has measured of its items, and what it concludes from
// that. It begins with one item at a time, and grows as long as they are quick.
// Where the clock stands still it stays at one.
type pace struct {
	clock clock
	take  int           // how many items to take at a time
	due   int           // how many to run before the next look at the clock
	ran   int           // how many were run since the last
	last  time.Duration // when that was
	each  time.Duration // of an item, in that time; at least 1
}

// newPace returns the pace of a worker that begins at a time.
func newPace(c clock, at time.Duration) pace { return pace{clock: c, take: 1, due: 1, last: at} }

// restart leaves out the time since the last look, in which no items ran.
func (p *pace) restart() {
	p.last, p.ran = p.clock.now(), 0
}

// count counts items that have run, and reports whether it has measured.
func (p *pace) count(items int) bool {
	if p.ran += items; p.ran < p.due {
		return false
	}
	now := p.clock.now()
	if p.clock.frozen && now == p.last {
		return false
	}
	p.each = max((now-p.last)/time.Duration(p.ran), 1)
	p.take = int(min(max(grain/p.each, 1), mostTaken))
	p.due = int(min(max(chunk/p.each, 1), time.Duration(64*p.ran), mostMeasured))
	p.last, p.ran = now, 0
	if p.clock.frozen {
		p.take, p.due = 1, 1
	}
	return true
}
