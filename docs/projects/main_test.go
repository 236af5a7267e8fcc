package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
)

// A project that is small and has one test whose result is another with coterie: a
// Goexit of a task is no success.
var files = map[string]string{
	"go.mod": "module example.com/small\n\ngo 1.24.0\n\nrequire golang.org/x/sync v0.24.0\n",
	"small_test.go": `package small

import (
	"context"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

func TestSame(t *testing.T) {
	var g errgroup.Group
	sem := semaphore.NewWeighted(1)
	for range 10 {
		g.Go(func() error {
			if err := sem.Acquire(context.Background(), 1); err != nil {
				return err
			}
			sem.Release(1)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

func TestGoexit(t *testing.T) {
	var g errgroup.Group
	g.Go(func() error { runtime.Goexit(); return nil })
	returned := false
	defer func() {
		if !returned {
			t.Error("Wait has not returned")
		}
	}()
	g.Wait()
	returned = true
}
`,
}

func TestRun(t *testing.T) {
	child.Long(t)
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o444))
	}
	sums, err := os.ReadFile("../../go.sum")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o444))
	t.Setenv("GOPROXY", "off")
	t.Setenv("GONOSUMDB", "*")

	var out strings.Builder
	status, err := run(t.Context(), []string{"-coterie", "../..", dir}, &out)
	require.NoError(t, err)
	require.Equal(t, strings.Join([]string{
		"example.com/small: 1 files import errgroup, 1 semaphore; 1 packages are tested",
		"before: 2 tests passed, 0 failed, 0 were skipped",
		"after:  1 tests passed, 1 failed, 0 were skipped",
		"differs: example.com/small TestGoexit: pass before, fail after",
		"differs: example.com/small: pass before, fail after",
		"",
	}, "\n"), out.String())
	require.Equal(t, 1, status)

	text, err := os.ReadFile(filepath.Join(dir, "small_test.go"))
	require.NoError(t, err)
	require.Equal(t, files["small_test.go"], string(text), "the checkout is as it was")
}

func TestRunNothingToSwap(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/none\n"), 0o666))
	status, err := run(t.Context(), []string{dir}, t.Output())
	require.Equal(t, 2, status)
	require.EqualError(t, err, "no file imports errgroup or semaphore of x/sync")
}

// A package that does not build, or whose tests are all left out, has an outcome and no test.
func TestCount(t *testing.T) {
	seen := make(outcome)
	require.NoError(t, seen.read(strings.NewReader(`{"Action":"fail","Package":"a"}`)))
	require.Nil(t, seen.count())
	require.NoError(t, seen.read(strings.NewReader(`{"Action":"pass","Package":"a","Test":"TestA"}`)))
	require.Equal(t, map[string]int{"pass": 1}, seen.count())
}
