package group_test

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
)

// The race detector reports at least as much with our groups as with
// sync.WaitGroup, and nothing where they promise an order.
func TestRacesStayVisible(t *testing.T) {
	if testing.Short() || core.RaceHidden {
		t.Skip("takes some seconds, and a build without -race has run it")
	}
	const runs = 50
	racy := filepath.Join(t.TempDir(), "racy.exe")
	out, err := exec.Command("go", "build", "-race", "-o", racy, "./testdata/racy").CombinedOutput()
	for _, lacking := range []string{"-race requires cgo", "-race is not supported", "C compiler", "executable file not found"} {
		if err != nil && bytes.Contains(out, []byte(lacking)) {
			t.Skipf("there is no race detector here: %s", out)
		}
	}
	require.NoError(t, err, "%s", out)

	var mu sync.Mutex
	reports := make(map[string]map[string]int) // of each owner, by program
	work := make(chan string)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for owner := range work {
				cmd := exec.Command(racy, owner)
				cmd.Env = append(cmd.Environ(), "GORACE=atexit_sleep_ms=0")
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != 66 {
					t.Errorf("%s: %v\n%s", owner, err, out)
				}
				mu.Lock()
				for _, program := range strings.Split(string(out), "=== ")[1:] {
					name, said, _ := strings.Cut(program, "\n")
					if !strings.Contains(said, "WARNING: DATA RACE") {
						continue
					}
					if reports[owner] == nil {
						reports[owner] = make(map[string]int)
					}
					reports[owner][name]++
					if strings.HasPrefix(name, "clean") && reports[owner][name] == 1 {
						t.Errorf("%s: %s", owner, program)
					}
				}
				mu.Unlock()
			}
		})
	}
	owners := []string{"sync", "group", "limit 1", "limit 2"}
	for range runs {
		for _, owner := range owners {
			work <- owner
		}
	}
	close(work)
	workers.Wait()

	for _, owner := range owners[1:] {
		require.Len(t, reports[owner], 15, "programs with a race, with %s: %v", owner, reports[owner])
		for name, ours := range reports[owner] {
			theirs := reports["sync"][name]
			t.Logf("%-70s with %s %d of %d runs, with sync.WaitGroup %d", name, owner, ours, runs, theirs)
			require.GreaterOrEqual(t, ours, theirs, "%s, with %s", name, owner)
		}
	}
}
