package core_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVetReportsCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("runs go vet")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command here: ", err)
	}
	out, err := exec.Command("go", "vet", "-copylocks", "./testdata/copied").CombinedOutput()
	require.Error(t, err)
	var reports []string
	for _, m := range regexp.MustCompile(`copied\.go:(.*)`).FindAllSubmatch(out, -1) {
		reports = append(reports, strings.ReplaceAll(string(m[1]), "github.com/coterie-go/coterie/", ""))
	}
	require.Equal(t, []string{
		"11:23: passWaitGroup passes lock by value: core.WaitGroup contains core.noCopy",
		"14:11: assignment copies lock value to tasks: core.WaitGroup contains core.noCopy",
		"18:58: return copies lock value: core.Semaphore contains core.noCopy",
		"21:9: range var s copies lock: core/testdata/copied.service contains core.WaitGroup contains core.noCopy",
	}, reports, "%s", out)
}
