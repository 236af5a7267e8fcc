// Package barego reports go statements: a rule for a code base in which every goroutine has an
// owner.
package barego

import (
	"go/ast"
	"strings"

	"golang.org/x/tools/go/analysis"

	"github.com/coterie-go/coterie/group/vet/internal/exempt"
	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// Analyzer reports go statements outside of the packages that -barego.allow names.
var Analyzer = &analysis.Analyzer{
	Name: "barego",
	Doc: `report go statements

A goroutine that a go statement starts has no owner: nobody waits for it, its panic ends
the process, and its error is lost. The flag -barego.allow names the packages that may have
go statements, separated by commas; a path that ends in /... stands for what is below it,
too. A comment

	//coterie:go because <reason>

at the end of the line of a go statement, or on a line of its own before it, exempts that
statement. Generated files are left alone.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/barego",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      exempt.Run("go", run),
}

var allow string

func init() {
	Analyzer.Flags.StringVar(&allow, "allow", "", "import paths of packages that may have go statements, separated by commas")
}

func run(pass *analysis.Pass) (any, error) {
	if allowed(owner.PathOfPackage(pass.Pkg)) {
		return nil, nil
	}
	for cur := range owner.Of(pass).Root.Children() {
		if ast.IsGenerated(cur.Node().(*ast.File)) {
			continue
		}
		for stmt := range cur.Preorder((*ast.GoStmt)(nil)) {
			pass.ReportRangef(stmt.Node(), "this goroutine has no owner: nobody waits for it, and its panic ends the process; "+
				"start it as a task of a group.Group, or add a comment //coterie:go that says who waits for it, or why nobody has to (docs/guide/rule.md)")
		}
	}
	return nil, nil
}

// allowed reports whether the flag names the package.
func allowed(path string) bool {
	for pattern := range strings.SplitSeq(allow, ",") {
		pattern = strings.TrimSpace(pattern)
		if below, ok := strings.CutSuffix(pattern, "/..."); ok {
			if path == below || strings.HasPrefix(path, below+"/") {
				return true
			}
		} else if pattern == path && path != "" {
			return true
		}
	}
	return false
}
