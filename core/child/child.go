// Package child holds what this module's tests share that one process or one run of a test does not
// show: what ends a process, needs its own environment, is reported by the race detector, or is
// collected as garbage.
package child

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Run runs the test that calls it again, in a child process. There Run returns inside=true.
// In the parent it returns the child's output, and an error if the child failed. Each setting is
// a flag, if it begins with a hyphen, or else a variable of the child's environment.
func Run(t *testing.T, settings ...string) (inside bool, output string, err error) {
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
	cmd := exec.CommandContext(t.Context(), exe, "-test.run="+strings.Join(parts, "/"), "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "COTERIE_CHILD="+t.Name(), "GORACE=atexit_sleep_ms=0")
	for _, s := range settings {
		if strings.HasPrefix(s, "-") {
			cmd.Args = append(cmd.Args, s)
		} else {
			cmd.Env = append(cmd.Env, s)
		}
	}
	out, err := cmd.CombinedOutput()
	return false, string(out), err
}

var long = flag.Bool("long", false, "also run the tests that take seconds each")

// Long skips a test that takes seconds, unless the flag says otherwise.
func Long(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("takes seconds: -long runs it")
	}
}

// Many is how often a test repeats what it does: few times, or many with the flag.
func Many(few, many int) int {
	if *long {
		return many
	}
	return few
}

// Collect collects garbage until done reports true. What never becomes true ends by the
// -timeout of go test.
func Collect(done func() bool) {
	for !done() {
		runtime.GC()
		runtime.Gosched()
	}
}

// Cleanup returns what reports whether value was collected. The caller must not keep value.
func Cleanup[T any](value *T) (collected func() bool) {
	c := make(chan struct{})
	runtime.AddCleanup(value, func(c chan struct{}) { close(c) }, c)
	return func() bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
}

// Unseen collects what may have a panic that nobody was told of, which ends the process, unless
// told is set.
func Unseen(collected func() bool, told bool) {
	Collect(func() bool { return told && collected() })
	if told {
		for range 10 { // other cleanups of the same value run beside that
			runtime.GC()
			runtime.Gosched()
		}
	}
}

// Racy builds the program in dir with the race detector, and returns its path. It skips the
// test if there is no detector. It is for tests that need [Long].
func Racy(t *testing.T, dir string) string {
	t.Helper()
	Long(t)
	exe := filepath.Join(t.TempDir(), "racy.exe")
	build := exec.Command("go", "build", "-race", "-o", exe, dir)
	build.Env = append(os.Environ(), "CGO_ENABLED=1", "GOARCH="+hostArch())
	out, err := build.CombinedOutput()
	for _, lacking := range []string{"-race requires cgo", "-race is not supported", "C compiler", "executable file not found"} {
		if err != nil && (bytes.Contains(out, []byte(lacking)) || strings.Contains(err.Error(), lacking)) {
			t.Skipf("there is no race detector here: %s", out)
		}
	}
	require.NoError(t, err, "%s", out)
	return exe
}

// hostArch is the architecture of the machine, also when the tests are built for another
// that it can run.
func hostArch() string {
	if runtime.GOARCH == "386" {
		return "amd64"
	}
	return runtime.GOARCH
}
