// Sort sorts random numbers by a parallel merge sort and by [slices.Sort], and prints how long each
// takes.
//
//	go run ./examples/sort [-n COUNT] [-workers LIST] [-seed SEED] [-timeout TIME]
//
// The merge sort is recursive: the task for a part starts a task for each half of the part, and
// waits for both. On most pools that is a deadlock as soon as every worker waits for a task that no
// worker is left to run. Here a task that waits for a [pool.Batch] lends its place to the batch's
// tasks. So the sort ends even on a pool of one worker: the first row of the table shows that.
//
// After Ctrl-C, SIGTERM or -timeout it prints no further row and ends. Exit status 0 means that all
// sorts were right, 1 that a sort was wrong, 2 bad usage, 124 the timeout, 130 Ctrl-C, 143 SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coterie-go/coterie/examples/internal/stop"
	"github.com/coterie-go/coterie/pool"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("sort", flag.ContinueOnError)
	flags.SetOutput(stderr)
	n := flags.Int("n", 4_000_000, "how many numbers to sort")
	list := flags.String("workers", "", "numbers of workers, separated by commas (default 1, 2, 4, ... up to the number of processors)")
	seed := flags.Uint64("seed", 1, "of the random numbers")
	timeout := flags.Duration("timeout", 0, "stop after this `duration`; 0 is never")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	workers, err := parseWorkers(*list)
	if err != nil || *n < 0 || *timeout < 0 || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "sort: -n and -timeout must not be negative, -workers are numbers from 1 on, and there are no arguments")
		return 2
	}
	return stop.Run(ctx, *timeout, func(ctx context.Context) int {
		return compare(ctx, *n, *seed, workers, stdout, stderr)
	})
}

// compare sorts n numbers in all ways, until ctx is done.
func compare(ctx context.Context, n int, seed uint64, workers []int, stdout, stderr io.Writer) int {
	random := rand.New(rand.NewPCG(seed, 0))
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = random.Int()
	}
	want := slices.Clone(numbers)
	serial := timed(func() { slices.Sort(want) })
	fmt.Fprintf(stdout, "%d numbers, %d processors\n\n", n, runtime.GOMAXPROCS(0))
	fmt.Fprintf(stdout, "%-24s %9s %9s\n", "", "time", "speed-up")
	row := func(name string, took time.Duration) {
		fmt.Fprintf(stdout, "%-24s %9v %8.2fx\n", name, took.Round(time.Millisecond), float64(serial)/float64(took))
	}
	row("slices.Sort", serial)
	for _, w := range workers {
		got := slices.Clone(numbers)
		took := timed(func() { mergeSort(ctx, w, got) })
		if ctx.Err() != nil {
			fmt.Fprintf(stderr, "sort: %v; the table is partial\n", context.Cause(ctx))
			return 1
		}
		if !slices.Equal(got, want) {
			fmt.Fprintf(stderr, "sort: the merge sort on %d workers got it wrong\n", w)
			return 1
		}
		row(fmt.Sprintf("merge sort, %d workers", w), took)
	}
	return 0
}

func parseWorkers(list string) ([]int, error) {
	var workers []int
	if list == "" {
		for w := 1; w < runtime.GOMAXPROCS(0); w *= 2 {
			workers = append(workers, w)
		}
		return append(workers, runtime.GOMAXPROCS(0)), nil
	}
	for field := range strings.SplitSeq(list, ",") {
		w, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || w < 1 {
			return nil, fmt.Errorf("not a number of workers: %q", field)
		}
		workers = append(workers, w)
	}
	return workers, nil
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return max(time.Since(began), 1)
}

// mergeSort sorts s on a pool of its own. If ctx is done, s may be only partly sorted.
func mergeSort(ctx context.Context, workers int, s []int) {
	p := pool.New(workers, pool.Options{Name: "sort"})
	defer p.Close()
	b := p.Batch(ctx)
	_ = b.GoContext(ctx, func(ctx context.Context) {
		sortPart(ctx, p, s, make([]int, len(s)))
	})
	b.Wait()
}

// serialLimit is the length up to which a part is sorted without further tasks.
const serialLimit = 1 << 16

// sortPart sorts s. buffer has the same length. ctx is the context of the task that calls it.
func sortPart(ctx context.Context, p *pool.Pool, s, buffer []int) {
	if len(s) <= serialLimit {
		slices.Sort(s)
		return
	}
	half := len(s) / 2
	halves := p.Batch(ctx)
	_ = halves.GoContext(ctx, func(ctx context.Context) { sortPart(ctx, p, s[:half], buffer[:half]) })
	_ = halves.GoContext(ctx, func(ctx context.Context) { sortPart(ctx, p, s[half:], buffer[half:]) })
	halves.Wait()
	merge(s, half, buffer)
}

// merge merges the sorted s[:half] and s[half:].
func merge(s []int, half int, buffer []int) {
	left := buffer[:copy(buffer, s[:half])]
	l, r := 0, half
	for i := range s {
		if l == len(left) {
			return // the rest of the right half is in its place
		}
		if r < len(s) && s[r] < left[l] {
			s[i] = s[r]
			r++
		} else {
			s[i] = left[l]
			l++
		}
	}
}
