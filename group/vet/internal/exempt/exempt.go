// Package exempt lets a comment exempt a line from an analyzer.
//
// The comment is //coterie:NAME and a reason. At the end of a line it exempts that
// line, and on a line of its own the next one. Without a reason it exempts nothing.
package exempt

import (
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Run returns run without the reports on lines that a comment //coterie:name exempts.
func Run(name string, run func(*analysis.Pass) (any, error)) func(*analysis.Pass) (any, error) {
	directive := "//coterie:" + name
	return func(pass *analysis.Pass) (any, error) {
		known := make(map[*ast.File]map[int]string)
		filtered := *pass
		filtered.Report = func(d analysis.Diagnostic) {
			file := fileOf(pass, d.Pos)
			if file != nil && known[file] == nil {
				known[file] = reasons(pass.Fset, file, directive)
			}
			reason, found := known[file][line(pass.Fset, d.Pos)]
			if found && reason != "" {
				return
			}
			if found {
				d.Message = directive + " needs a reason (docs/guide/rule.md): " + d.Message
			}
			pass.Report(d)
		}
		return run(&filtered)
	}
}

func fileOf(pass *analysis.Pass, pos token.Pos) *ast.File {
	for _, file := range pass.Files {
		if file.FileStart <= pos && pos <= file.FileEnd {
			return file
		}
	}
	return nil
}

// reasons returns the reasons of the comments of a file that begin with directive, by the
// lines that they exempt.
func reasons(fset *token.FileSet, file *ast.File, directive string) map[int]string {
	found := make(map[int]string)
	for _, group := range file.Comments {
		for _, c := range group.List {
			if reason, ok := strings.CutPrefix(c.Text, directive); ok && (reason == "" || reason[0] == ' ' || reason[0] == '\t') {
				found[line(fset, c.Pos())] = strings.TrimSpace(reason)
			}
		}
	}
	if len(found) == 0 {
		return found
	}
	hasCode := make(map[int]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n.(type) {
		case nil, *ast.CommentGroup, *ast.Comment:
			return false
		}
		hasCode[line(fset, n.Pos())], hasCode[line(fset, n.End()-1)] = true, true
		return true
	})
	exempted := make(map[int]string)
	for at, reason := range found {
		if !hasCode[at] {
			at++
		}
		exempted[at] = reason
	}
	return exempted
}

// line returns the line in the file itself, whatever //line comments say.
func line(fset *token.FileSet, pos token.Pos) int { return fset.PositionFor(pos, false).Line }
