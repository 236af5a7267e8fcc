package docs_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/docs/internal/shown"
)

// go vet reports each copy of what must not be copied. The folders testdata/copied of the packages
// make such copies.
func TestVetReportsCopies(t *testing.T) {
	args := []string{"vet", "-copylocks"}
	for _, name := range []string{"core", "group", "errgroup", "pool", "docs/anatomy"} {
		args = append(args, "./"+name+"/testdata/copied")
	}
	command := exec.Command("go", args...)
	command.Dir = ".."
	output, err := command.CombinedOutput()
	require.Error(t, err)

	var reports, page []string
	for line := range strings.Lines(strings.ReplaceAll(string(output), `\`, "/")) {
		if strings.HasPrefix(line, "docs/anatomy/") {
			page = append(page, line)
		} else if !strings.HasPrefix(line, "#") { // the name of a package
			reports = append(reports, strings.ReplaceAll(line, module+"/", ""))
		}
	}
	slices.Sort(reports)
	const assigns = "assignment copies lock value to "
	wants := []string{
		"core/testdata/copied/copied.go:11:23: passWaitGroup passes lock by value: core.WaitGroup contains core.noCopy\n",
		"core/testdata/copied/copied.go:14:11: " + assigns + "tasks: core.WaitGroup contains core.noCopy\n",
		"core/testdata/copied/copied.go:18:58: return copies lock value: core.Semaphore contains core.noCopy\n",
		"core/testdata/copied/copied.go:21:9: range var s copies lock: " +
			"core/testdata/copied.service contains core.WaitGroup contains core.noCopy\n",
		"errgroup/testdata/copied/copied.go:7:13: Wait passes lock by value: errgroup.Group contains ",
		"group/testdata/copied/copied.go:9:20: " + assigns + "g: group.Group contains ",
		"pool/testdata/copied/copied.go:7:7: " + assigns + "p: pool.Pool contains ",
		"pool/testdata/copied/copied.go:8:7: " + assigns + "b: pool.Batch contains ",
		"pool/testdata/copied/copied.go:9:7: " + assigns + "k: pool.Keyed[int] contains ",
	}
	require.Len(t, reports, len(wants), "%s", output)
	for i, want := range wants {
		require.True(t, strings.HasPrefix(reports[i], want), "%s\nwant: %s", reports[i], want)
	}

	shows, err := os.ReadFile("anatomy/testdata/vet.txt")
	require.NoError(t, err)
	shown.Compare(t, string(shows), strings.Join(page, ""))
}
