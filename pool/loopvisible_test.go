package pool_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/coterie-go/coterie/core/child"
	"github.com/stretchr/testify/require"
)

// A loop must not hide its users' data races, though one worker may run all items,
// nor report races that are none.
func TestRacesOfItemsStayVisible(t *testing.T) {
	racy := child.Racy(t, "./testdata/racyloops")
	const runs = 5
	run := func(scenario string) (string, error) {
		cmd := exec.CommandContext(t.Context(), racy, scenario)
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
		output, err := cmd.CombinedOutput()
		return string(output), err
	}
	for _, scenario := range []string{
		"For", "For with one worker", "For within For", "For in a pool of one", "MapSlice", "Each",
		"Map", "Map with one worker", "Map in a pool", "MapUnordered", "the body of Map's loop, and an item",
		"items that use their context",
		"two inputs of Merge", "the body of Merge's loop, and an input", "the body of Chunk's loop, and the input",
	} {
		t.Run(scenario, func(t *testing.T) {
			for range runs {
				output, err := run(scenario)
				require.Error(t, err)
				require.Contains(t, output, "WARNING: DATA RACE")
			}
		})
	}
	for _, scenario := range []string{
		"before For, in it, and after it", "MapSlice's results",
		"the input, an item, and the body of Map's loop", "the input, an item, and the body of MapUnordered's loop",
		"the input, an item, and the body, in a pool", "the input, from one item to the next",
		"an item that was cancelled, and after the loop",
		"an input, and the body of Merge's loop", "an input, and the body of Chunk's loop", "an input, and after the loop",
	} {
		t.Run("no false alarm: "+scenario, func(t *testing.T) {
			for range runs {
				output, err := run(scenario)
				require.NoError(t, err, "%s", output)
			}
		})
	}
}
