package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
)

// The README's program is pasted into an empty module, by the commands that the
// README gives, and prints what the README says.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	readme := strings.ReplaceAll(string(text), "\r\n", "\n")
	blocks := make(map[string][]string) // by language
	for _, block := range fence.FindAllStringSubmatch(readme, -1) {
		blocks[block[1]] = append(blocks[block[1]], block[2])
	}

	t.Run("its program runs in a module of its own", func(t *testing.T) {
		child.Long(t)
		require.Len(t, blocks["go"], 1)
		require.Len(t, blocks["text"], 1)
		require.Len(t, blocks["sh"], 2)
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(blocks["go"][0]), 0o666))
		checkout, err := filepath.Abs("..")
		require.NoError(t, err)
		var printed []byte
		for line := range strings.Lines(blocks["sh"][1]) {
			args := strings.Fields(strings.ReplaceAll(line, "/path/to/coterie", checkout))
			command := exec.CommandContext(t.Context(), args[0], args[1:]...)
			command.Dir, command.Stderr = dir, t.Output()
			// Whoever can run this test has the modules that it needs.
			command.Env = append(os.Environ(), "GOPROXY=off", "GONOSUMDB=*", "GOWORK=off", "GOFLAGS=-mod=mod")
			printed, err = command.Output()
			require.NoError(t, err, line)
		}
		require.Equal(t, blocks["text"][0], string(printed))
	})

	t.Run("what it links to is there", func(t *testing.T) {
		links := regexp.MustCompile(`(?:\]\(|src(?:set)?=")([^)#"]+)`).FindAllStringSubmatch(readme, -1)
		require.NotEmpty(t, links)
		for _, link := range links {
			if !strings.Contains(link[1], "://") {
				require.FileExists(t, filepath.Join("..", filepath.FromSlash(link[1])))
			}
		}
	})
}
