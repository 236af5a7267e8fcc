// Package vettest runs an analyzer over its testdata, with stubs of the packages
// that it knows: coterie's, golang.org/x/sync's, conc's and testify's.
//
// The stubs have the names and signatures of the real packages and no behaviour. So
// a test needs no module but this one.
package vettest

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

//go:embed all:testdata/src
var stubs embed.FS

// Run compares what a reports about packages of testdata/src with their want
// comments.
func Run(t *testing.T, a *analysis.Analyzer, packages ...string) []*analysistest.Result {
	return analysistest.Run(t, tree(t), a, packages...)
}

// RunFix is Run, and compares the files that the fixes leave with the golden files
// beside them.
func RunFix(t *testing.T, a *analysis.Analyzer, packages ...string) []*analysistest.Result {
	return analysistest.RunWithSuggestedFixes(t, tree(t), a, packages...)
}

// tree returns a folder that holds the test's packages and the stubs, as GOPATH
// wants them.
func tree(t *testing.T) string {
	dir := t.TempDir()
	src, err := fs.Sub(stubs, "testdata")
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(dir, src))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "src"), os.DirFS(filepath.Join("testdata", "src"))))
	return dir
}
