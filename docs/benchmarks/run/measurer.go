package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

// A measurer does jobs again and again and records how long they take.
type measurer struct {
	jobs   []*job
	rec    *recorder
	sample time.Duration // of one measurement
	bar    *progress
}

// rounds measures every job once a round, the peers of a workload one after
// another in an order that changes from round to round, until there have been
// max rounds, or the next one would not end before the deadline, or ctx is done.
func (m *measurer) rounds(ctx context.Context, max int, deadline time.Time) error {
	for i, j := range m.jobs {
		if ctx.Err() != nil {
			return nil
		}
		m.bar.show("calibrating", i, len(m.jobs), time.Until(deadline))
		j.calibrate(m.sample)
	}
	var round time.Duration // how long one takes
	for r := 0; max == 0 || r < max; r++ {
		left := max - r
		if !deadline.IsZero() && r > 0 {
			if left = int(time.Until(deadline) / round); left == 0 {
				return nil
			}
		}
		start := time.Now()
		for from := 0; from < len(m.jobs); {
			to := from
			for to < len(m.jobs) && m.jobs[to].ps == m.jobs[from].ps && m.jobs[to].workload.Name == m.jobs[from].workload.Name {
				to++
			}
			for _, i := range rand.Perm(to - from) {
				if ctx.Err() != nil {
					return nil
				}
				if err := m.rec.record(m.jobs[from+i].measure(m.sample)); err != nil {
					return err
				}
			}
			from = to
			remains, of := time.Until(deadline), ""
			if r > 0 {
				remains, of = time.Duration(left)*round-time.Since(start), fmt.Sprint(" of ", r+left)
			}
			m.bar.show(fmt.Sprintf("round %d%s: %s", r+1, of, m.jobs[from-1].workload.Name), from, len(m.jobs), remains)
		}
		round = time.Since(start)
	}
	return nil
}

// peaks measures the peak of memory of each job on all processors.
func (m *measurer) peaks(ctx context.Context, quick bool) error {
	const times = 3
	var chosen []*job
	for _, j := range m.jobs {
		if j.ps == runtime.NumCPU() && j.workload.Memory && j.peer.Name != benchmarks.Limit && (!quick || hasPeakTarget(j.workload.Name)) {
			chosen = append(chosen, j)
		}
	}
	start := time.Now()
	for t := range times {
		for i, j := range chosen {
			if ctx.Err() != nil {
				return nil
			}
			done, all := t*len(chosen)+i, times*len(chosen)
			var remains time.Duration
			if done > 0 {
				remains = time.Since(start) / time.Duration(done) * time.Duration(all-done)
			}
			m.bar.show("memory: "+j.workload.Name, done, all, remains)
			peak, err := j.peak(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if err := m.rec.record(measurement{job: j, n: 1, peak: max(1, peak)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func hasPeakTarget(workload string) bool {
	for _, t := range benchmarks.Targets() {
		if t.Workload == workload && t.Metric == benchmarks.Peak {
			return true
		}
	}
	return false
}

// A measurement is what one sample of a job has shown, for one of its n tasks,
// or the peak of a process that does its work once.
type measurement struct {
	job    *job
	n      int
	ns     float64
	bytes  float64
	allocs float64
	waited float64 // for other processes, all threads together, as a share of the time
	peak   float64 // 0 in one of time
}

// calibrate finds how many runs take about as long as a sample shall. The best of
// three counts, so that a pause of the machine does not make samples short.
func (j *job) calibrate(sample time.Duration) {
	runtime.GOMAXPROCS(j.ps)
	op := j.peer.Start(j.ps)
	defer op.Close()
	const most = 100_000_000
	for n := 1; ; {
		took := min(op.Time(n), op.Time(n), op.Time(n))
		if took >= sample/2 || n >= most {
			j.n = max(1, min(most, int(float64(n)*float64(sample)/float64(took))))
			return
		}
		n = min(most, 20*n, n+int(float64(n)*float64(sample)/float64(took+1)))
	}
}

const (
	// calm is the share of a sample for which its threads may have waited for
	// other processes.
	calm = 0.02
	// patience is how many times the time of a sample may be spent on a calm one.
	patience = 5
)

// measure takes one sample. What the peer does on its first run is not part of
// it. If other processes had a part in the time, it is taken again, and if none
// is calm the least disturbed counts.
func (j *job) measure(sample time.Duration) measurement {
	runtime.GOMAXPROCS(j.ps)
	op := j.peer.Start(j.ps)
	defer op.Close()
	if j.n > 1 {
		op.Time(max(1, j.n/20))
	}
	m := j.once(op)
	for start := time.Now(); m.waited > calm && time.Since(start) < patience*sample; {
		if again := j.once(op); again.waited < m.waited {
			m = again
		}
	}
	return m
}

func (j *job) once(op benchmarks.Op) measurement {
	runtime.GC() // or one peer pays for what another has left
	var before, after runtime.MemStats
	waiting := waited()
	runtime.ReadMemStats(&before)
	took := op.Time(j.n)
	runtime.ReadMemStats(&after)
	waiting = waited() - waiting
	tasks := float64(j.n) * float64(j.workload.Unit)
	return measurement{
		job:    j,
		n:      int(tasks),
		ns:     float64(took) / tasks,
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / tasks,
		allocs: float64(after.Mallocs-before.Mallocs) / tasks,
		waited: float64(waiting) / float64(took),
	}
}
