// Package benchmarks holds coterie and its peers doing the same work, and the
// targets that coterie is held to. The program in run measures and compares
// them; the test of this package runs each of them once.
package benchmarks

import (
	"slices"
	"time"
)

// A Workload is one piece of work that several peers do in their own way.
type Workload struct {
	// Name says what is done: area/what/key=value/…
	Name string
	// Unit is the number of tasks, or items, that one call of Op.Run(1) does.
	// Times are reported for one of them.
	Unit int
	// Peers do the work. Those named "coterie" or "coterie-…" are ours, and the
	// one named [Limit] is the baseline.
	Peers []Peer
	// Memory says that the peak of memory is worth measuring: of a process that
	// does the work MemoryRuns times, or once if that is 0.
	Memory     bool
	MemoryRuns int
}

// Limit is the name of the peer that is the baseline: the bodies of the tasks divided
// among the processors with nothing else to do, or, for loops of trivial items, the
// loop on one processor, which more processors can beat.
const Limit = "limit"

// A Peer does a workload in one way.
type Peer struct {
	Name string
	// Start makes what may be reused from one run to the next, for ps processors.
	Start func(ps int) Op
}

// An Op is a peer that is ready to run.
type Op struct {
	// Run does the work n times and returns when it is done.
	Run func(n int)
	// Timed is there instead of Run where not all of the run counts.
	Timed func(n int) time.Duration
	// Stop ends what Start has made. It may be nil.
	Stop func()
}

// Time runs the work n times and returns how long that took.
func (o Op) Time(n int) time.Duration {
	if o.Timed != nil {
		return o.Timed(n)
	}
	start := time.Now()
	o.Run(n)
	return time.Since(start)
}

// Close stops what the peer has made.
func (o Op) Close() {
	if o.Stop != nil {
		o.Stop()
	}
}

// All returns every workload.
func All() []Workload {
	return slices.Concat(coreWorkloads(), groupWorkloads(), errgroupWorkloads(), poolWorkloads(), loopWorkloads(), pipeWorkloads())
}

// simple is a peer that keeps nothing from one run to the next.
func simple(name string, run func(n int)) Peer {
	return Peer{name, func(int) Op { return Op{Run: run} }}
}

// repeat is a peer that keeps nothing and whose unit of work is once.
func repeat(name string, once func()) Peer {
	return simple(name, func(n int) {
		for range n {
			once()
		}
	})
}
