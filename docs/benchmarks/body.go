package benchmarks

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A Body is what a task does: nothing, a calibrated amount of computing, or a
// sleep.
type Body struct {
	Name  string
	Do    func()
	Sleep time.Duration // 0 unless it sleeps
}

// Bodies returns those named, of 0, 100ns, 1us, 10us and sleep1ms.
func Bodies(names ...string) []Body {
	bodies := make([]Body, len(names))
	for i, name := range names {
		bodies[i] = body(name)
	}
	return bodies
}

func body(name string) Body {
	switch name {
	case "0":
		return Body{Name: name, Do: func() {}}
	case "sleep1ms":
		return Body{Name: name, Do: func() { time.Sleep(time.Millisecond) }, Sleep: time.Millisecond}
	}
	d, err := time.ParseDuration(name)
	if err != nil {
		panic(err)
	}
	return Body{Name: name, Do: compute(d)}
}

// compute returns a function that keeps a processor busy for d without touching
// memory. The number of its steps is fixed, not the time, so that a processor
// that is slowed down shows.
func compute(d time.Duration) func() {
	steps := int(float64(d) * stepsPerNanosecond())
	return func() { spend(steps) }
}

// stepsPerNanosecond is the best of many short runs: what the processor does
// while nobody else has it.
var stepsPerNanosecond = sync.OnceValue(func() float64 {
	const steps = 100_000
	best := time.Duration(math.MaxInt64)
	for range 40 {
		start := time.Now()
		spend(steps)
		best = min(best, time.Since(start))
	}
	return steps / float64(best)
})

// spend does so many steps. What they compute is never zero.
func spend(steps int) {
	if spin(steps) == 0 {
		panic("benchmarks: the sequence of spin has a zero")
	}
}

// spin is a chain of steps each of which needs the one before.
//
//go:noinline
func spin(steps int) uint64 {
	x := uint64(88172645463325252)
	for range steps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// division is the limit for work that can be divided: as many goroutines as
// processors that are running already, each of which does share of n runs of it.
// The time is the mean of theirs, so that it is what the processors gave at that
// moment, whatever else the machine was doing.
func division(share func(p, ps, n int)) Peer {
	return Peer{Limit, func(ps int) Op {
		return Op{Timed: func(n int) time.Duration {
			var running, total atomic.Int64
			var wg sync.WaitGroup
			for p := range ps {
				wg.Go(func() {
					for running.Add(1); running.Load() < int64(ps); {
					}
					start := time.Now()
					share(p, ps, n)
					total.Add(int64(time.Since(start)))
				})
			}
			wg.Wait()
			return time.Duration(total.Load() / int64(ps))
		}}
	}}
}

// bodyLimit is the limit for tasks tasks of the body b, of which so many as lanes
// can sleep at once. There is none for empty ones.
func bodyLimit(b Body, tasks, lanes int) []Peer {
	switch {
	case b.Name == "0":
		return nil
	case b.Sleep > 0:
		return []Peer{{Limit, func(int) Op {
			return Op{Timed: func(n int) time.Duration {
				return b.Sleep * time.Duration(n*tasks) / time.Duration(lanes)
			}}
		}}}
	}
	return []Peer{division(func(p, ps, n int) {
		for range (n*tasks + p) / ps {
			b.Do()
		}
	})}
}
