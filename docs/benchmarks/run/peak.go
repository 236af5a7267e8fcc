package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

// peak starts this program again to do the job once, and returns by how many
// bytes that process has grown.
func (j *job) peak(ctx context.Context) (float64, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, program, "-peak-of", j.workload.Name+","+j.peer.Name)
	cmd.Env = append(os.Environ(), fmt.Sprint("GOMAXPROCS=", j.ps))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("peak of %s by %s: %w", j.workload.Name, j.peer.Name, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// printPeak is what that process does.
func printPeak(of string) error {
	workload, peer, _ := strings.Cut(of, ",")
	for _, w := range benchmarks.All() {
		for _, p := range w.Peers {
			if w.Name == workload && p.Name == peer {
				fmt.Println(growth(p, max(1, w.MemoryRuns)))
				return nil
			}
		}
	}
	return fmt.Errorf("unknown workload and peer, got %q", of)
}

// growth runs the work n times and returns by how much the memory that the
// runtime holds has grown at most.
func growth(p benchmarks.Peer, n int) uint64 {
	debug.FreeOSMemory() // or it would be used before the process grows
	held := newGauge()
	start, stop, most := held.read(), make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		peak := start
		for {
			peak = max(peak, held.read())
			select {
			case <-tick.C:
			case <-stop:
				most <- max(peak, held.read())
				return
			}
		}
	}()
	op := p.Start(runtime.GOMAXPROCS(0))
	op.Time(n)
	close(stop)
	return <-most - start
}

// A gauge reads how much memory the runtime holds that it could not give back.
type gauge struct{ samples []metrics.Sample }

func newGauge() gauge {
	return gauge{[]metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}}
}

func (g gauge) read() uint64 {
	metrics.Read(g.samples)
	return g.samples[0].Value.Uint64() - g.samples[1].Value.Uint64()
}
