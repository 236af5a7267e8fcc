package core_test

import (
	"errors"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coterie-go/coterie/core/child"
	"github.com/stretchr/testify/require"
)

// The race detector reports at least as much with our types as with those of sync and
// x/sync and with a channel, and nothing where they promise an order.
func TestRacesStayVisible(t *testing.T) {
	const runs = 50
	exe := child.Racy(t, "./testdata/racy")

	// On a busy machine a report is missing now and then, with either. So the
	// count is taken again if there are less with ours.
	var reports map[string]map[string]int
	for range 3 {
		if reports = countReports(t, exe, runs); len(lessReported(reports)) == 0 {
			break
		}
	}
	require.Len(t, reports["core"], 21)
	for _, name := range slices.Sorted(maps.Keys(reports["core"])) {
		ours, theirs := reports["core"][name], reports["sync"][name]
		t.Logf("%-80s reported in %d of %d runs, with sync in %d", name, ours, runs, theirs)
		if strings.HasPrefix(name, "race") {
			require.NotZero(t, ours, name)
		}
	}
	require.Empty(t, lessReported(reports))
}

// lessReported returns the racy programs that the detector reports less often
// with ours.
func lessReported(reports map[string]map[string]int) []string {
	var less []string
	for name, ours := range reports["core"] {
		if strings.HasPrefix(name, "race") && ours < reports["sync"][name] {
			less = append(less, name)
		}
	}
	return less
}

// countReports returns in how many runs the detector reports each program, with
// the types of sync and with ours.
func countReports(t *testing.T, exe string, runs int) map[string]map[string]int {
	var mu sync.Mutex
	reports := map[string]map[string]int{"sync": {}, "core": {}} // of each, by program
	work := make(chan string)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for impl := range work {
				cmd := exec.Command(exe, impl)
				cmd.Env = append(cmd.Environ(), "GORACE=atexit_sleep_ms=0")
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if impl == "sync" && strings.Contains(string(out), "panic: sync: WaitGroup") {
					continue // it calls misuse what is none with ours
				}
				if !errors.As(err, &exit) || exit.ExitCode() != 66 {
					t.Errorf("%s: %v\n%s", impl, err, out)
				}
				mu.Lock()
				for _, program := range strings.Split(string(out), "=== ")[1:] {
					name, said, _ := strings.Cut(program, "\n")
					if !strings.Contains(said, "WARNING: DATA RACE") {
						reports[impl][name] += 0
					} else if reports[impl][name]++; !strings.HasPrefix(name, "race") && reports[impl][name] == 1 && (impl == "core" || strings.HasPrefix(name, "clean")) {
						t.Errorf("%s: %s", impl, program)
					}
				}
				mu.Unlock()
			}
		})
	}
	for range runs {
		work <- "sync"
		work <- "core"
	}
	close(work)
	workers.Wait()
	return reports
}
