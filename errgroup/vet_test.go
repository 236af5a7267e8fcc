package errgroup_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVetReportsACopy(t *testing.T) {
	if testing.Short() {
		t.Skip("runs go vet")
	}
	out, err := exec.CommandContext(t.Context(), "go", "vet", "./testdata/copied").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "Wait passes lock by value: github.com/coterie-go/coterie/errgroup.Group contains")
}
