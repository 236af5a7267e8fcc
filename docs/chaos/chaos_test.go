package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

var (
	treesFlag    = flag.Int("chaos.trees", 60, "run so many `trees` in each mode")
	seedFlag     = flag.Uint64("chaos.seed", 1, "the `seed` of the first tree; the next has the next")
	timeFlag     = flag.Duration("chaos.time", 0, "run trees for so long in each mode, instead of a number of them")
	repeatFlag   = flag.Int("chaos.repeat", 1, "run each tree so many `times`")
	procsFlag    = flag.Int("chaos.procs", 0, "run with this GOMAXPROCS only; 0 stands for 1, 2 and 8 in turn")
	featuresFlag = flag.String("chaos.features", "", "switch these features on, a `list` with commas, or all")
	printFlag    = flag.Bool("chaos.print", false, "print each tree")
	shrinkFlag   = flag.Duration("chaos.shrink", 5*time.Second, "how long to look for a smaller tree that fails")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if unknown := features.set(*featuresFlag); unknown != "" {
		fmt.Fprintf(os.Stderr, "chaos: no feature %q\n", unknown)
		os.Exit(2)
	}
	debug.SetTraceback("all")
	goleak.VerifyTestMain(m)
}

func TestFakeTime(t *testing.T) { many(t, fakeTime) }

func TestRealTime(t *testing.T) { many(t, realTime) }

// many runs trees, and stops at the first that fails.
func many(t *testing.T, execute mode) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	began, n := time.Now(), 0
	goOn := func() bool {
		if *timeFlag > 0 {
			return time.Since(began) < *timeFlag
		}
		return n < *treesFlag
	}
	for ; goOn(); n++ {
		seed, procs := *seedFlag+uint64(n), *procsFlag
		if procs == 0 {
			procs = []int{1, 2, 8}[n/16%3]
		}
		if runtime.GOMAXPROCS(0) != procs {
			runtime.GOMAXPROCS(procs)
		}
		tree := generate(seed)
		if *printFlag {
			t.Logf("seed %d\n%s", seed, show(tree))
		}
		for range *repeatFlag {
			if wrong := attempt(t, execute, seed, tree); len(wrong) > 0 {
				fail(t, execute, seed, tree, wrong)
				return
			}
		}
	}
	t.Logf("%d trees, %.0f a second", n, float64(n)/time.Since(began).Seconds())
}

// A mode executes a tree and returns what was violated.
type mode func(t *testing.T, seed uint64, tree []*op) (wrong []string)

// attempt executes the tree once. In a build with -race that is a test of its own,
// which fails if a race is reported.
func attempt(t *testing.T, execute mode, seed uint64, tree []*op) (wrong []string) {
	if !raceBuild {
		return execute(t, seed, tree)
	}
	ok := t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { wrong = execute(t, seed, tree) })
	if !ok && wrong == nil {
		wrong = []string{"a data race, which is reported above"}
	}
	return wrong
}

// fakeTime executes it in a bubble: all goroutines blocked is a deadlock, and one
// that is left at the end is a leak.
func fakeTime(t *testing.T, seed uint64, tree []*op) (wrong []string) {
	r := &run{fake: true, tick: time.Millisecond}
	defer watch(t, seed, tree)()
	defer func() {
		wrong = r.wrong
		if value := recover(); value != nil {
			wrong = append(wrong, fmt.Sprint(value))
		}
	}()
	synctest.Test(t, func(*testing.T) { follow(seed, r, tree) })
	return nil
}

// realTime executes it without one. The sleeps of a tree are then real, and the oracle asks for no
// more than an order: what depends on how long they take is checked in fake time.
func realTime(t *testing.T, seed uint64, tree []*op) []string {
	r := &run{tick: 20 * time.Microsecond}
	defer watch(t, seed, tree)()
	before := goroutines()
	follow(seed, r, tree)
	joined(before)
	return r.wrong
}

// slowest is how long a tree may take.
const slowest = 2 * time.Minute

// watch ends the process if a tree does not end; stop ends the watch.
func watch(t *testing.T, seed uint64, tree []*op) (stop func()) {
	timer := time.AfterFunc(slowest, func() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		fmt.Fprintf(os.Stderr, "chaos: %s: the tree of seed %d does not end\n%s\n%s\n", t.Name(), seed, show(tree), stacks)
		os.Exit(2)
	})
	return func() { timer.Stop() }
}

// follow runs the tree's ops, each in a goroutine of its own, since a Goexit may end
// it. The seed is for those who read the trace of a crash.
//
//go:noinline
func follow(seed uint64, r *run, tree []*op) {
	defer runtime.KeepAlive(&seed)
	r.origin = time.Now()
	for i := range tree {
		<-r.beside([]level{{ctx: context.Background()}}, func(f *frame) { f.do(tree[i : i+1]) })
	}
}

func show(tree []*op) string {
	var p printer
	p.ops(tree)
	return p.String()
}
