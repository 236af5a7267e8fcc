// Package barego reports go statements: a rule for a code base in which every
// goroutine has an owner.
package barego

import (
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"

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

on the line of a go statement, or on the one before, exempts that statement. Generated files
are left alone.`,
	URL:      "https://pkg.go.dev/github.com/coterie-go/coterie/group/vet/barego",
	Requires: []*analysis.Analyzer{owner.Analyzer},
	Run:      run,
}

var allow string

func init() {
	Analyzer.Flags.StringVar(&allow, "allow", "", "import paths of packages that may have go statements, separated by commas")
}

const directive = "//coterie:go"

func run(pass *analysis.Pass) (any, error) {
	if allowed(owner.PathOfPackage(pass.Pkg)) {
		return nil, nil
	}
	for cur := range owner.Of(pass).Root.Children() {
		file := cur.Node().(*ast.File)
		if ast.IsGenerated(file) {
			continue
		}
		exempt := exemptions(pass, file)
		for stmt := range cur.Preorder((*ast.GoStmt)(nil)) {
			exempt.check(pass, stmt.Node().(*ast.GoStmt))
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

// exemption is a comment that exempts the go statement of its line, or else that of
// the next.
type exemption struct {
	reason string
	used   bool
}

type exemptionsByLine map[int]*exemption

func exemptions(pass *analysis.Pass, file *ast.File) exemptionsByLine {
	found := make(exemptionsByLine)
	for _, group := range file.Comments {
		for _, c := range group.List {
			if reason, ok := strings.CutPrefix(c.Text, directive); ok && (reason == "" || reason[0] == ' ' || reason[0] == '\t') {
				found[line(pass, c.Pos())] = &exemption{reason: strings.TrimSpace(reason)}
			}
		}
	}
	return found
}

func (found exemptionsByLine) check(pass *analysis.Pass, stmt *ast.GoStmt) {
	at := line(pass, stmt.Pos())
	for _, e := range []*exemption{found[at], found[at-1]} {
		if e == nil || e.used {
			continue
		}
		e.used = true
		if e.reason == "" {
			pass.ReportRangef(stmt, "%s needs a reason: say on its line who waits for the goroutine, or why nobody has to (docs/guide/rule.md)", directive)
		}
		return
	}
	pass.ReportRangef(stmt, "this goroutine has no owner: nobody waits for it, and its panic ends the process; "+
		"start it as a task of a group.Group, or write %s and the reason (docs/guide/rule.md)", directive)
}

// line returns the line in the file itself, whatever //line comments say.
func line(pass *analysis.Pass, pos token.Pos) int { return pass.Fset.PositionFor(pos, false).Line }
