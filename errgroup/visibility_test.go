package errgroup_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/coterie-go/coterie/core/child"
	"github.com/stretchr/testify/require"
)

// A race of two tasks is reported in builds with -race, always, and what is ordered
// is not.
func TestRacesAreVisible(t *testing.T) {
	binary := child.Racy(t, "./testdata/visible")
	run := func(name string) (string, error) {
		cmd := exec.CommandContext(t.Context(), binary, name)
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	const runs = 10
	for _, name := range []string{
		"two that succeed", "two that fail", "one that fails", "with a context", "with a context, failing",
		"with a limit", "with a limit, set later", "collected", "collected, failing", "captured", "started by tasks", "forked", "gathered",
		"raced", "in a quorum", "in a staggered quorum", "settled",
	} {
		t.Run(name, func(t *testing.T) {
			for range runs {
				out, err := run(name)
				require.Error(t, err)
				require.Contains(t, out, "WARNING: DATA RACE")
			}
		})
	}
	for _, name := range []string{
		"before go, and after wait", "one at a time", "one at a time, by all verbs", "one at a time, set later",
		"an error, after wait", "before a failure, and after the context is done", "a result",
	} {
		t.Run("not of what is ordered: "+name, func(t *testing.T) {
			for range runs {
				out, err := run(name)
				require.NoError(t, err, "%s", out)
			}
		})
	}
}
