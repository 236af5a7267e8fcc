// Package child runs a test in a process of its own, for what ends a process or needs its
// own environment.
package child

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Run runs the test that calls it again, in a child process. There Run returns inside=true.
// In the parent it returns the child's output, and an error if the child failed.
func Run(t *testing.T, env ...string) (inside bool, output string, err error) {
	t.Helper()
	if os.Getenv("COTERIE_CHILD") == t.Name() {
		return true, "", nil
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	parts := strings.Split(t.Name(), "/")
	for i, part := range parts {
		parts[i] = "^" + strings.NewReplacer("(", `\(`, ")", `\)`, "+", `\+`).Replace(part) + "$"
	}
	cmd := exec.Command(exe, "-test.run="+strings.Join(parts, "/"), "-test.timeout=60s")
	cmd.Env = append(append(os.Environ(), "COTERIE_CHILD="+t.Name()), env...)
	out, err := cmd.CombinedOutput()
	return false, string(out), err
}
