// Package vettest runs an analyzer over its testdata, with stubs of the packages that it knows:
// coterie's, golang.org/x/sync's, conc's and testify's.
//
// The stubs have the names and signatures of the real packages and no behaviour. So a test needs no
// module but this one.
package vettest

import (
	"bytes"
	"embed"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

//go:embed all:testdata/src
var stubs embed.FS

// Run compares what a reports about packages of testdata/src with their want comments. The test
// fails if there are not twice as many functions in which nothing is reported.
func Run(t *testing.T, a *analysis.Analyzer, packages ...string) []*analysistest.Result {
	hits, misses := cases(t)
	require.GreaterOrEqual(t, misses, 2*hits, "near misses for %d functions with a report", hits)
	return analysistest.Run(t, tree(t), a, packages...)
}

var want = regexp.MustCompile("// want [`\"]")

// cases counts the functions of the testdata in which something is reported, and the
// others.
func cases(t *testing.T) (hits, misses int) {
	files, err := filepath.Glob(filepath.Join("testdata", "src", "*", "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			end, _, _ := bytes.Cut(text[fset.Position(fn.End()).Offset:], []byte("\n"))
			code := string(text[fset.Position(fn.Pos()).Offset:fset.Position(fn.End()).Offset]) + string(end)
			if want.MatchString(code) {
				hits++
			} else {
				misses++
			}
		}
	}
	return hits, misses
}

// RunFix is Run, and compares the files that the fixes leave with the golden files
// beside them.
func RunFix(t *testing.T, a *analysis.Analyzer, packages ...string) []*analysistest.Result {
	return analysistest.RunWithSuggestedFixes(t, tree(t), a, packages...)
}

// tree returns a folder that holds the test's packages and the stubs, as GOPATH wants them.
func tree(t *testing.T) string {
	dir := t.TempDir()
	src, err := fs.Sub(stubs, "testdata")
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(dir, src))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "src"), os.DirFS(filepath.Join("testdata", "src"))))
	return dir
}
