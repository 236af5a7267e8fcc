// Package stoptest runs the examples as processes and ends them.
package stoptest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asProgram is an environment variable. A test binary with it runs the program instead of the
// tests.
const asProgram = "COTERIE_EXAMPLE_AS_PROGRAM"

// Main is the body of TestMain. main is the main function of the program.
func Main(m *testing.M, main func()) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// Program returns a command that runs the program with these arguments. The program is killed when
// the test ends.
func Program(t *testing.T, args ...string) *exec.Cmd {
	program := exec.CommandContext(t.Context(), os.Args[0], args...)
	program.Env = append(os.Environ(), asProgram+"=1")
	return program
}

// Status checks the exit status of the program after signals and after its -timeout. With args the
// program must run for long. Status sends a signal when the program has printed ready, or, if ready
// is a function, when ready has returned. The program must print partial at its end. If partial
// comes only when the program has worked for a while, the timeout grows until the program gets there.
func Status[R string | func()](t *testing.T, ready R, partial string, args ...string) {
	run := func(t *testing.T, args []string, signal os.Signal) (status int, output string) {
		program := Program(t, args...)
		out, err := program.StdoutPipe()
		require.NoError(t, err)
		program.Stderr = t.Output()
		require.NoError(t, program.Start())
		lines := bufio.NewReader(out)
		printed := ""
		switch ready := any(ready).(type) {
		case func():
			ready()
		case string:
			for signal != nil && !strings.Contains(printed, ready) {
				line, err := lines.ReadString('\n')
				require.NoError(t, err, printed)
				printed += line
			}
		}
		if signal != nil {
			require.NoError(t, program.Process.Signal(signal))
		}
		rest, err := io.ReadAll(lines)
		require.NoError(t, err)
		_ = program.Wait()
		return program.ProcessState.ExitCode(), printed + string(rest)
	}
	parallel := func(t *testing.T) {
		if _, apart := any(ready).(string); apart {
			t.Parallel()
		}
	}
	t.Run("the status of -timeout", func(t *testing.T) {
		parallel(t)
		for timeout, printed := 50*time.Millisecond, ""; !strings.Contains(printed, partial); timeout *= 2 {
			require.Less(t, timeout, time.Minute, printed)
			var status int
			status, printed = run(t, append([]string{"-timeout", timeout.String()}, args...), nil)
			require.Equal(t, 124, status)
		}
	})
	for signal, status := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		t.Run("the status of "+signal.String(), func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("cannot send signals")
			}
			parallel(t)
			ended, printed := run(t, args, signal)
			require.Equal(t, status, ended)
			require.Contains(t, printed, partial)
		})
	}
}
