package barego_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/group/vet/barego"
	"github.com/coterie-go/coterie/group/vet/internal/vettest"
)

func TestAnalyzer(t *testing.T) { vettest.Run(t, barego.Analyzer, "a", "gen") }

func TestAllow(t *testing.T) {
	require.NoError(t, barego.Analyzer.Flags.Set("allow", "elsewhere, allowed/..."))
	defer func() { require.NoError(t, barego.Analyzer.Flags.Set("allow", "")) }()
	vettest.Run(t, barego.Analyzer, "allowed", "allowed/below", "allowedelsewhere")
}
