package errgroup_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
)

// goTool runs the go command and returns what it prints.
func goTool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	require.NoError(t, err, "go %s\n%s", strings.Join(args, " "), out)
	return string(out)
}

// The tests and examples of golang.org/x/sync/errgroup, in the version that go.mod
// names, pass with only the import path changed. They are read from the module
// cache and laid over a folder that does not exist.
func TestUpstreamSuite(t *testing.T) {
	const theirs, ours = "golang.org/x/sync/errgroup", "github.com/coterie-go/coterie/errgroup"
	child.Long(t)
	dir := strings.TrimSpace(goTool(t, "list", "-f", "{{.Dir}}", theirs))
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)

	tmp := t.TempDir()
	replace := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, 1, bytes.Count(text, []byte(theirs)), file)
		changed := filepath.Join(tmp, filepath.Base(file))
		require.NoError(t, os.WriteFile(changed, bytes.Replace(text, []byte(theirs), []byte(ours), 1), 0o644))
		replace[filepath.Join(here, "upstream", filepath.Base(file))] = changed
	}
	// go test runs only examples with an output; of the others this one needs no network.
	pipeline := filepath.Join(tmp, "pipeline.go")
	require.NoError(t, os.WriteFile(pipeline, []byte(`package errgroup_test

import "testing"

func TestPipeline(t *testing.T) { ExampleGroup_pipeline() }
`), 0o644))
	replace[filepath.Join(here, "upstream", "pipeline_test.go")] = pipeline

	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	list := filepath.Join(tmp, "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o644))

	binary := filepath.Join(tmp, "upstream.test")
	goTool(t, "test", "-c", "-vet=off", "-o", binary, "-overlay="+list, "./upstream")
	cmd := exec.CommandContext(t.Context(), binary, "-test.v")
	cmd.Dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, "file"), nil, 0o644))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range []string{
		"TestZeroGroup", "TestWithContext", "TestTryGo", "TestGoLimit", "TestCancelCause", "TestPipeline",
		"ExampleGroup_parallel",
	} {
		require.Contains(t, string(out), "--- PASS: "+name+" ")
	}
	require.Contains(t, string(out), "file:\td41d8cd98f00b204e9800998ecf8427e\n")
}
