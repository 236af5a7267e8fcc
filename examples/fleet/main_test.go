//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/examples/internal/stop"
	"github.com/coterie-go/coterie/pool/remote"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerOf) != "" {
		main()
	}
	dedupDir, _ = os.MkdirTemp("", "fleet-test")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		os.RemoveAll(dedupDir)
		os.Exit(status)
	}))
}

// dedupDir is where dedup is built.
var dedupDir string

var buildDedup = sync.OnceValues(func() (string, error) {
	program := filepath.Join(dedupDir, "dedup")
	out, err := exec.Command("go", "build", "-o", program, "github.com/coterie-go/coterie/examples/dedup").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return program, err
})

// tree makes a directory with files, from their slash-separated paths to their
// content.
func tree(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for path, content := range files {
		path = filepath.Join(dir, filepath.FromSlash(path))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
	}
	return dir
}

// A buffer may be read while it is written to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var took = regexp.MustCompile(`(?m)^time  .*\n`)

// fleetOf runs the program in this process. Its workers are others.
func fleetOf(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, errs buffer
	status = run(ctx, args, &out, &errs)
	return status, took.ReplaceAllString(out.String(), ""), errs.String()
}

// dedup runs the program that fleet must agree with.
func dedup(t *testing.T, dirs ...string) (stdout, stderr string) {
	program, err := buildDedup()
	require.NoError(t, err)
	var errs bytes.Buffer
	command := exec.Command(program, dirs...)
	command.Stderr = &errs
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return took.ReplaceAllString(string(out), ""), errs.String()
}

func TestRun(t *testing.T) {
	t.Run("prints what dedup prints, with any number of workers", func(t *testing.T) {
		files := make(map[string]string)
		for i := range 500 {
			files[fmt.Sprintf("%d/%d/%d", i%3, i%7, i)] = strings.Repeat("x", i%10) + fmt.Sprint(i%4)
		}
		for i := range 6 {
			files[fmt.Sprint("large", i)] = strings.Repeat("x", 3*prefix) + fmt.Sprint(i/2)
		}
		dir := tree(t, files)
		require.NoError(t, os.Link(filepath.Join(dir, "large0"), filepath.Join(dir, "a link")))
		require.NoError(t, os.Symlink(dir, filepath.Join(dir, "loop")))
		missing := filepath.Join(dir, "missing")
		want, errs := dedup(t, dir, missing)
		require.Contains(t, want, "duplicate sets")
		for _, workers := range []string{"1", "3"} {
			status, stdout, stderr := fleetOf(t.Context(), "-workers="+workers, dir, missing)
			require.Equal(t, 1, status)
			require.Equal(t, want, stdout)
			require.Equal(t, strings.ReplaceAll(errs, "dedup: ", "fleet: "), stderr)
		}
	})

	t.Run("one worker killed in mid-work changes nothing in the output", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("finds the workers in /proc")
		}
		dir := tree(t, map[string]string{"a": "same", "b": "same", "w": "", "x": "", "y": "", "z": ""})
		for _, name := range []string{"w", "x", "y", "z"} {
			require.NoError(t, os.Truncate(filepath.Join(dir, name), 256<<20)) // takes up no space, but time to read
		}
		want, _ := dedup(t, dir)
		var out, errs buffer
		ended := make(chan int)
		go func() { ended <- run(t.Context(), []string{"-workers=2", "-progress=always", dir}, &out, &errs) }()
		require.Eventually(t, func() bool { // then the workers read the large files
			return strings.Contains(errs.String(), "hashed 6 of 10")
		}, 30*time.Second, time.Millisecond)
		victim := children(t)[0]
		require.NoError(t, syscall.Kill(victim, syscall.SIGKILL))
		require.Zero(t, <-ended)
		require.Contains(t, errs.String(), "ended: signal: killed; it is started again\n")
		require.Equal(t, want, took.ReplaceAllString(out.String(), ""))
	})

	t.Run("with -connect, those without a directory work for the one that has one", func(t *testing.T) {
		e, err := remote.Embedded(t.TempDir())
		require.NoError(t, err)
		defer e.Close()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, e.Share(l))
		url := "-connect=nats://" + l.Addr().String()

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int)
		for range 2 {
			go func() {
				status, _, _ := fleetOf(ctx, url, "-workers=1")
				ended <- status
			}()
		}
		dir := tree(t, map[string]string{"a": "same", "b": "same", "c": "other"})
		want, _ := dedup(t, dir)
		status, stdout, stderr := fleetOf(t.Context(), url, "-workers=0", dir)
		require.Zero(t, status, stderr)
		require.Equal(t, want, stdout)
		cancel()
		require.Zero(t, <-ended)
		require.Zero(t, <-ended)
	})

	t.Run("when it is cancelled it prints what it has", func(t *testing.T) {
		dir := tree(t, map[string]string{"a": "same", "b": "same"})
		for cause, want := range map[error]int{stop.ErrTimeout: 124, stop.ErrInterrupted: 130, stop.ErrTerminated: 143} {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(cause)
			status, stdout, _ := fleetOf(ctx, "-workers=1", dir)
			require.Equal(t, want, status)
			require.Contains(t, stdout, "partial result: "+cause.Error()+"\n")
		}
		status, _, _ := fleetOf(t.Context(), "-workers=1", "-timeout=1ns", dir)
		require.Equal(t, 124, status)
	})

	t.Run("a wrong command line is status 2 and the usage", func(t *testing.T) {
		for _, c := range []struct {
			args []string
			says string
		}{
			{nil, "no directory given\n"},
			{[]string{"-workers=0", "."}, "-workers must be at least 1, got 0\n"},
			{[]string{"-min=-1", "."}, "-min must be at least 0, got -1\n"},
			{[]string{"-timeout=-1s", "."}, "-timeout must be at least 0, got -1s\n"},
		} {
			status, stdout, stderr := fleetOf(t.Context(), c.args...)
			require.Equal(t, 2, status)
			require.Empty(t, stdout)
			require.True(t, strings.HasPrefix(stderr, c.says+"usage: fleet [flags] DIR...\n"), stderr)
		}
	})

	t.Run("a server that is not there is an error", func(t *testing.T) {
		status, _, stderr := fleetOf(t.Context(), "-connect=nats://127.0.0.1:1", ".")
		require.Equal(t, 1, status)
		require.Contains(t, stderr, "fleet: remote: connect to nats://127.0.0.1:1: ")
	})
}

// children returns the processes that this one has started.
func children(t *testing.T) (pids []int) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	for _, list := range lists {
		text, err := os.ReadFile(list)
		require.NoError(t, err)
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			require.NoError(t, err)
			pids = append(pids, pid)
		}
	}
	require.NotEmpty(t, pids)
	return pids
}
