// Package child helps the tests of this module that need a child process, the race detector or the
// garbage collector, or take long.
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

// Run runs the calling test again in a child process. In the child Run returns inside=true. In the
// parent it blocks until the child has ended, and returns the child's output, and an error if the
// child failed. A setting that begins with a hyphen is a flag. Any other setting is a variable of
// the child's environment.
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

// Long skips the test, which takes seconds, unless the flag -long is set.
func Long(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("takes seconds: -long runs it")
	}
}

// Many returns the size of a test, for example how often it repeats its work: few, or many with
// the flag -long.
func Many(few, many int) int {
	if *long {
		return many
	}
	return few
}

// Collect collects garbage until done reports true. The -timeout of go test ends it if that does
// not happen.
func Collect(done func() bool) {
	for !done() {
		runtime.GC()
		runtime.Gosched()
	}
}

// Cleanup returns a function that reports whether value was collected. The caller must not keep
// value.
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

// Unseen collects garbage until collected reports true for an owner or a future with a panic. If
// told is set, a Wait or Get has raised the panic, and Unseen returns. Otherwise it runs until the
// panic ends the process.
func Unseen(collected func() bool, told bool) {
	Collect(func() bool { return told && collected() })
	if told {
		for range 10 { // other cleanups of the same value run at the same time
			runtime.GC()
			runtime.Gosched()
		}
	}
}

// Panicked requires that a child has ended by a panic, and that its output holds the texts. err and
// output are results of [Run].
func Panicked(t *testing.T, output string, err error, texts ...string) {
	t.Helper()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.ExitCode())
	for _, text := range texts {
		require.Contains(t, output, text)
	}
}

// Racy builds the program in dir with the race detector, and returns its path. It skips the test if
// there is no detector. It calls [Long].
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

// hostArch returns the architecture of the machine, also if the tests are built for another that
// the machine can run.
func hostArch() string {
	if runtime.GOARCH == "386" {
		return "amd64"
	}
	return runtime.GOARCH
}
