// Run measures coterie beside its peers: each workload of package benchmarks in
// rounds in which the peers alternate, all in one process.
//
//	go run ./run                                  everything, about 15 minutes
//	go run ./run -quick                           what has a target or a plot, two minutes
//	go run ./run -only group/fanout -rounds 5     what has that in its name
//	go run ./run -quick -check                    and compare with the targets
//	go run ./run -report -check -out results      say it again of the results of an earlier run
//
// It writes into the directory -out: raw.txt in the standard benchmark format,
// which benchstat reads (benchstat -col /peer raw.txt), tables of medians with
// their spread and the ratios to the best peer and to the baseline, and plots.
// Ctrl-C ends the measuring and reports what there is by then.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

type flags struct {
	only    string
	ps      string
	out     string
	rounds  int
	budget  time.Duration
	sample  time.Duration
	quick   bool
	report  bool
	check   bool
	memory  bool
	peakOf  string
	updates string
}

func main() {
	var f flags
	flag.StringVar(&f.only, "only", "", "measure only workloads that have one of these, separated by commas, in their names")
	flag.StringVar(&f.ps, "ps", "", "numbers of processors, separated by commas (default 1, 2 and all; with -quick all, and 1 where a target says so)")
	flag.StringVar(&f.out, "out", "latest", "`directory` for the results")
	flag.IntVar(&f.rounds, "rounds", 0, "number of rounds (default: as many as there is time for)")
	flag.DurationVar(&f.budget, "time", 0, "time to take (default 15m, with -quick 1m50s)")
	flag.DurationVar(&f.sample, "sample", 0, "time of one measurement (default 40ms, with -quick 8ms)")
	flag.BoolVar(&f.quick, "quick", false, "measure what has a target or a plot, in two minutes")
	flag.BoolVar(&f.report, "report", false, "measure nothing, report what is in -out")
	flag.BoolVar(&f.check, "check", false, "compare with the targets, list what falls short; the status is 1 if anything does")
	flag.BoolVar(&f.memory, "memory", true, "measure the peak of memory, each in a process of its own")
	flag.StringVar(&f.updates, "update", "", "Markdown `file` in which to replace what is between the marks of the summary")
	flag.StringVar(&f.peakOf, "peak-of", "", "used by the program itself: print the peak of memory of workload,peer")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "run: no arguments are expected, got %q\n", flag.Args())
		os.Exit(2)
	}

	missed, err := run(f)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(2)
	case missed:
		os.Exit(1)
	}
}

// run reports whether a target was asked about and missed.
func run(f flags) (missed bool, err error) {
	if f.peakOf != "" {
		return false, printPeak(f.peakOf)
	}
	raw := filepath.Join(f.out, "raw.txt")
	if !f.report {
		if err := os.MkdirAll(f.out, 0o777); err != nil {
			return false, err
		}
		if err := measure(f, raw); err != nil {
			return false, err
		}
	}
	results, err := readResults(raw)
	if err != nil {
		return false, err
	}
	if err := writeReport(results, f); err != nil {
		return false, err
	}
	if f.check {
		return check(results, f.only, os.Stdout), nil
	}
	return false, nil
}

// measure fills the file raw.
func measure(f flags, raw string) error {
	ps, err := processors(f.ps)
	if err != nil {
		return err
	}
	jobs := chooseJobs(f, ps)
	if len(jobs) == 0 {
		return fmt.Errorf("no workload has %q in its name", f.only)
	}
	file, err := os.Create(raw)
	if err != nil {
		return err
	}
	defer file.Close()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once

	rec := newRecorder(file)
	m := &measurer{jobs: jobs, rec: rec, sample: f.sampleTime(), bar: newProgress(os.Stderr)}
	defer m.bar.clear()
	deadline := time.Now().Add(f.timeBudget())
	if f.rounds > 0 {
		deadline = time.Time{}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	if err := m.rounds(ctx, f.rounds, deadline); err != nil {
		return err
	}
	if f.memory {
		if err := m.peaks(ctx, f.quick); err != nil {
			return err
		}
	}
	return file.Close()
}

func (f flags) sampleTime() time.Duration {
	switch {
	case f.sample > 0:
		return f.sample
	case f.quick:
		return 8 * time.Millisecond
	}
	return 40 * time.Millisecond
}

func (f flags) timeBudget() time.Duration {
	switch {
	case f.budget > 0:
		return f.budget
	case f.quick:
		return 110 * time.Second
	}
	return 15 * time.Minute
}

// processors returns the numbers in list, or 1, 2 and all that there are.
func processors(list string) ([]int, error) {
	if list == "" {
		ps := []int{1, min(2, runtime.NumCPU()), runtime.NumCPU()}
		return slices.Compact(ps), nil
	}
	var ps []int
	for field := range strings.SplitSeq(list, ",") {
		p, err := strconv.Atoi(field)
		if err != nil || p < 1 {
			return nil, fmt.Errorf("numbers of processors must be at least 1, got %q", field)
		}
		ps = append(ps, p)
	}
	slices.Sort(ps)
	return slices.Compact(ps), nil
}
