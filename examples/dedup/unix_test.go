//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinks(t *testing.T) {
	t.Run("hard links to one file are one file", func(t *testing.T) {
		dir := tree(t, map[string]string{"b": "same", "d": "same", "lone": "alone"})
		require.NoError(t, os.Link(filepath.Join(dir, "b"), filepath.Join(dir, "a")))
		require.NoError(t, os.Link(filepath.Join(dir, "b"), filepath.Join(dir, "c")))
		require.NoError(t, os.Link(filepath.Join(dir, "lone"), filepath.Join(dir, "only")))
		status, stdout, _ := dedup(t, dir, dir)
		require.Zero(t, status)
		require.True(t, strings.HasPrefix(stdout, `2 files of 4 bytes
  DIR/a
  DIR/d

files seen      3
files hashed    2
`), stdout)
	})

	t.Run("hard links are named by their first path, whatever is found first", func(t *testing.T) {
		dir := tree(t, map[string]string{"z/1": "same", "a/2": "same"})
		require.NoError(t, os.Link(filepath.Join(dir, "z", "1"), filepath.Join(dir, "a", "1")))
		_, stdout, _ := dedup(t, dir, "-workers=1", filepath.Join(dir, "z"), filepath.Join(dir, "a"))
		require.True(t, strings.HasPrefix(stdout, "2 files of 4 bytes\n  DIR/a/1\n  DIR/a/2\n\n"), stdout)
	})

	t.Run("symbolic links are not followed and may form a loop", func(t *testing.T) {
		dir := tree(t, map[string]string{"a/b/1": "same", "2": "same"})
		require.NoError(t, os.Symlink(dir, filepath.Join(dir, "a", "b", "up")))
		require.NoError(t, os.Symlink("self", filepath.Join(dir, "self")))
		require.NoError(t, os.Symlink(filepath.Join(dir, "2"), filepath.Join(dir, "3")))
		status, stdout, stderr := dedup(t, dir, dir)
		require.Zero(t, status, stderr)
		require.True(t, strings.HasPrefix(stdout, "2 files of 4 bytes\n  DIR/2\n  DIR/a/b/1\n\nfiles seen      2\n"), stdout)
	})

	t.Run("a symbolic link that is given as directory is", func(t *testing.T) {
		dir := tree(t, map[string]string{"a/1": "same", "a/2": "same"})
		link := filepath.Join(dir, "link")
		require.NoError(t, os.Symlink("a", link))
		status, stdout, _ := dedup(t, dir, link)
		require.Zero(t, status)
		require.Contains(t, stdout, "2 files of 4 bytes\n  DIR/link/1\n  DIR/link/2\n")
	})
}

func TestUnreadable(t *testing.T) {
	t.Run("a fifo is neither opened nor waited for", func(t *testing.T) {
		dir := tree(t, map[string]string{"a": "", "b": ""})
		fifo := filepath.Join(dir, "fifo")
		require.NoError(t, syscall.Mkfifo(fifo, 0o666))
		status, stdout, _ := dedup(t, dir, "-min=0", dir)
		require.Zero(t, status)
		require.Contains(t, stdout, "2 files of 0 bytes\n  DIR/a\n  DIR/b\n\nfiles seen      2\n")

		status, _, stderr := dedup(t, dir, fifo)
		require.Equal(t, 1, status)
		require.Equal(t, "dedup: DIR/fifo: neither a directory nor a regular file\n", stderr)
	})

	t.Run("what cannot be opened does not stop the run", func(t *testing.T) {
		// A path that is too long, made from within, keeps even root out.
		const longest = 4095
		if runtime.GOOS != "linux" {
			t.Skip("knows the limit of Linux only")
		}
		dir := tree(t, map[string]string{"1": "same", "2": "same"})
		root, err := os.OpenRoot(dir)
		require.NoError(t, err)
		defer root.Close()
		long := strings.Repeat("x/"+strings.Repeat("x", 98)+"/", 50)[:longest-len(dir)-10]
		long = strings.TrimSuffix(long, "/")
		require.NoError(t, root.MkdirAll(long+"/further/and/further", 0o777))
		require.NoError(t, root.WriteFile(long+"/somewhat-longer", nil, 0o666))
		for _, workers := range []string{"-workers=1", "-workers=8"} {
			status, stdout, stderr := dedup(t, dir, workers, dir)
			require.Equal(t, 1, status)
			require.Contains(t, stdout, "2 files of 4 bytes\n  DIR/1\n  DIR/2\n")
			require.Regexp(t, `^dedup: lstat DIR/[x/]*/somewhat-longer: file name too long
dedup: open DIR/[x/]*/further/and: file name too long
$`, stderr)
		}
	})

	t.Run("files and directories without permission do not stop the run", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may read everything")
		}
		dir := tree(t, map[string]string{"1": "same", "2": "same", "3": "same", "d/4": "same"})
		require.NoError(t, os.Chmod(filepath.Join(dir, "3"), 0))
		require.NoError(t, os.Chmod(filepath.Join(dir, "d"), 0))
		defer os.Chmod(filepath.Join(dir, "d"), 0o777)
		status, stdout, stderr := dedup(t, dir, dir)
		require.Equal(t, 1, status)
		require.Contains(t, stdout, "2 files of 4 bytes\n  DIR/1\n  DIR/2\n")
		require.Equal(t, "dedup: open DIR/3: permission denied\ndedup: open DIR/d: permission denied\n", stderr)
	})
}

func TestSignals(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal os.Signal
		status int
		says   string
	}{
		{"Ctrl-C ends the process with what was found", syscall.SIGINT, 130, "interrupted"},
		{"so does SIGTERM", syscall.SIGTERM, 143, "terminated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := endless(t)
			program := exec.Command(os.Args[0], "-progress=always", "-workers=1", dir)
			program.Env = append(os.Environ(), asProgram+"=1")
			var out bytes.Buffer
			program.Stdout = &out
			stderr, err := program.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, program.Start())
			defer program.Process.Kill()

			lines := bufio.NewReader(stderr)
			var line string
			for !strings.Contains(line, "hashed 4 of 6") { // then it reads the large files
				line, err = lines.ReadString('\r')
				require.NoError(t, err)
			}
			require.NoError(t, program.Process.Signal(c.signal))
			rest, err := io.ReadAll(lines)
			require.NoError(t, err)
			program.Wait()
			require.Equal(t, c.status, program.ProcessState.ExitCode())
			require.Contains(t, strings.ReplaceAll(out.String(), dir, "DIR"),
				"2 files of 4 bytes\n  DIR/a\n  DIR/b\n\npartial result: "+c.says+"\n")
			require.Regexp(t, `\r +\r$`, string(rest)) // the progress line has been cleared

			if runtime.GOOS == "linux" { // elsewhere Maxrss has another unit
				usage := program.ProcessState.SysUsage().(*syscall.Rusage)
				require.Less(t, int64(usage.Maxrss), int64(1<<20), "KiB; more than the two files would not fit")
			}
		})
	}
}
