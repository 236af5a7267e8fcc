package exempt_test

import (
	"go/ast"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
)

// calls reports every call.
var calls = &analysis.Analyzer{
	Name: "calls",
	Doc:  "report calls",
	Run: exempt.Run("calls", func(pass *analysis.Pass) (any, error) {
		for _, file := range pass.Files {
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					pass.ReportRangef(call, "a call")
				}
				return true
			})
		}
		return nil, nil
	}),
}

func TestRun(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), calls, "a", "b")
}
