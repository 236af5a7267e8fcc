package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/core/child"
)

// asProgram makes the test binary be the program, for tests that need a process.
const asProgram = "DEDUP_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

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

// dedup runs the program in this process. It shortens dir to DIR, and what
// depends on the clock to TIME.
func dedup(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(t.Context(), args, &out, &errs)
	short := func(b bytes.Buffer) string {
		s := strings.ReplaceAll(b.String(), dir, "DIR")
		s = strings.ReplaceAll(s, `\`, "/")
		return regexp.MustCompile(`(time  +)[0-9.]+ s, [0-9.]+ MB/s`).ReplaceAllString(s, "${1}TIME")
	}
	return status, short(out), short(errs)
}

func TestRun(t *testing.T) {
	t.Run("prints sets of duplicates and a summary", func(t *testing.T) {
		dir := tree(t, map[string]string{
			"a": "same", "b/c": "same", "b/d": "same", "e": "some",
			"large/1": strings.Repeat("x", 3*prefix), "large/2": strings.Repeat("x", 3*prefix),
			"large/3": strings.Repeat("x", 3*prefix-1) + "y",
			"alone":   "nothing is like this", "empty": "", "void": "",
		})
		status, stdout, stderr := dedup(t, dir, dir)
		require.Equal(t, `2 files of 49152 bytes
  DIR/large/1
  DIR/large/2

3 files of 4 bytes
  DIR/a
  DIR/b/c
  DIR/b/d

files seen      8
files hashed    7
bytes read      196624 (0.2 MB)
duplicate sets  2
could be freed  49160 bytes (0.0 MB)
time            TIME
`, stdout)
		require.Empty(t, stderr)
		require.Zero(t, status)
	})

	t.Run("prints the same with any number of workers and every time", func(t *testing.T) {
		files := make(map[string]string)
		for i := range 300 {
			files[fmt.Sprintf("%d/%d/%d", i%3, i%7, i)] = strings.Repeat("x", i%10) + fmt.Sprint(i%4)
		}
		dir := tree(t, files)
		_, want, _ := dedup(t, dir, "-workers=1", dir)
		require.Contains(t, want, "duplicate sets  20\n")
		for _, workers := range []int{1, 2, 8, 100} {
			_, stdout, _ := dedup(t, dir, fmt.Sprint("-workers=", workers), dir)
			require.Equal(t, want, stdout)
		}
	})

	t.Run("prints the same as one JSON document", func(t *testing.T) {
		dir := tree(t, map[string]string{"a": "same", "b": "same", "c": "other"})
		status, stdout, stderr := dedup(t, dir, "-json", dir, filepath.Join(dir, "none"))
		require.Equal(t, 1, status)
		require.Equal(t, "dedup: stat DIR/none: no such file or directory\n", stderr)
		stdout = regexp.MustCompile(`("seconds"|"mb_per_second"): [0-9.e-]+`).ReplaceAllString(stdout, "$1: 0")
		require.JSONEq(t, `{
			"sets": [{
				"count": 2,
				"size": 4,
				"sha256": "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5",
				"paths": ["DIR/a", "DIR/b"]
			}],
			"summary": {
				"files_seen": 3,
				"files_hashed": 2,
				"bytes_read": 8,
				"duplicate_sets": 1,
				"bytes_freeable": 4,
				"seconds": 0,
				"mb_per_second": 0
			},
			"errors": ["stat DIR/none: no such file or directory"]
		}`, stdout)
	})

	t.Run("leaves out what is smaller than min", func(t *testing.T) {
		dir := tree(t, map[string]string{"a": "", "b": "", "c": "123", "d": "123", "e": "1234", "f": "1234"})
		for min, sets := range []int{3, 2, 2, 2, 1, 0} {
			_, stdout, _ := dedup(t, dir, fmt.Sprint("-min=", min), dir)
			require.Contains(t, stdout, fmt.Sprintf("duplicate sets  %d\n", sets), "-min=%d", min)
		}
		_, stdout, _ := dedup(t, dir, "-min=4", filepath.Join(dir, "c"), filepath.Join(dir, "e"))
		require.Contains(t, stdout, "files seen      1\n")
	})

	t.Run("takes several directories, also one twice or inside another, and files", func(t *testing.T) {
		dir := tree(t, map[string]string{"a/1": "same", "a/b/2": "same", "3": "same"})
		status, stdout, stderr := dedup(t, dir,
			filepath.Join(dir, "a"), filepath.Join(dir, "a"), filepath.Join(dir, "a", "b"), filepath.Join(dir, "3"))
		require.Zero(t, status, stderr)
		require.True(t, strings.HasPrefix(stdout, `3 files of 4 bytes
  DIR/3
  DIR/a/1
  DIR/a/b/2

files seen      3
`), stdout)
	})

	t.Run("a directory that does not exist does not stop the others", func(t *testing.T) {
		dir := tree(t, map[string]string{"a": "same", "b": "same"})
		status, stdout, stderr := dedup(t, dir, filepath.Join(dir, "y"), dir, filepath.Join(dir, "x"))
		require.Equal(t, 1, status)
		require.Contains(t, stdout, "2 files of 4 bytes\n  DIR/a\n  DIR/b\n")
		require.Equal(t, "dedup: stat DIR/x: no such file or directory\ndedup: stat DIR/y: no such file or directory\n", stderr)
	})

	t.Run("finds the duplicates among thousands of small files", func(t *testing.T) {
		n := child.Many(1000, 10_000)
		files := make(map[string]string)
		bytes := 0
		for i := range n {
			content := fmt.Sprint(i / 2 * 2)
			files[fmt.Sprintf("%d/%d", i/100, i)] = content
			bytes += len(content)
		}
		dir := tree(t, files)
		status, stdout, stderr := dedup(t, dir, "-json", dir)
		require.Zero(t, status, stderr)
		var r report
		require.NoError(t, json.Unmarshal([]byte(stdout), &r))
		require.Len(t, r.Sets, n/2)
		for _, s := range r.Sets {
			require.Equal(t, 2, s.Count)
		}
		require.True(t, slices.IsSortedFunc(r.Sets, func(a, b set) int {
			return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Paths[0], b.Paths[0]))
		}))
		require.Equal(t, n, r.Summary.FilesSeen)
		require.Equal(t, n, r.Summary.FilesHashed)
		require.EqualValues(t, bytes, r.Summary.BytesRead)
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
			{[]string{"-progress=perhaps", "."}, "invalid value \"perhaps\" for flag -progress: must be auto, always or never\n"},
			{[]string{"-unknown", "."}, "flag provided but not defined: -unknown\n"},
		} {
			status, stdout, stderr := dedup(t, ".."+string(filepath.Separator), c.args...)
			require.Equal(t, 2, status, c.args)
			require.Empty(t, stdout)
			require.True(t, strings.HasPrefix(stderr, c.says+"usage: dedup [flags] DIR...\n"), stderr)
		}
	})

	t.Run("help is status 0 and the usage", func(t *testing.T) {
		status, _, stderr := dedup(t, ".", "-h")
		require.Zero(t, status)
		require.Contains(t, stderr, "usage: dedup")
	})

	t.Run("stops at the timeout with what it has", func(t *testing.T) {
		const small = "2 files of 4 bytes\n  DIR/a\n  DIR/b\n\npartial result: timeout\nfiles seen      4\n"
		dir := endless(t)
		for timeout, stdout := 20*time.Millisecond, ""; !strings.Contains(stdout, small); timeout *= 2 {
			require.Less(t, timeout, time.Minute, stdout) // it grows until the small files are read
			var status int
			var stderr string
			status, stdout, stderr = dedup(t, dir, "-timeout", timeout.String(), dir)
			require.Equal(t, 124, status)
			require.Empty(t, stderr)
		}
	})

	t.Run("reports that it cannot write", func(t *testing.T) {
		var errs bytes.Buffer
		status := run(t.Context(), []string{t.TempDir()}, failingWriter{}, &errs)
		require.Equal(t, 1, status)
		require.Equal(t, "dedup: disk full\n", errs.String())
	})
}

// endless makes a tree with two equal small files and two equal large ones,
// which take up no space but longer to read than any test runs.
func endless(t *testing.T) string {
	dir := tree(t, map[string]string{"a": "same", "b": "same", "y": "", "z": ""})
	for _, name := range []string{"y", "z"} {
		if err := os.Truncate(filepath.Join(dir, name), 1<<38); err != nil {
			t.Skip("needs a file system with sparse files:", err)
		}
	}
	return dir
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }
