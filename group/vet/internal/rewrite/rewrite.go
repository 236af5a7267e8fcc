// Package rewrite holds what the fixers share: edits that keep comments, imports, and the questions
// whether code may be edited.
package rewrite

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"go/version"
	"path"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/coterie-go/coterie/group/vet/internal/owner"
)

// A Source reads the files that a pass analyzes.
type Source struct {
	pass  *analysis.Pass
	files map[string][]byte
}

// NewSource returns the files of a pass.
func NewSource(pass *analysis.Pass) *Source { return &Source{pass, make(map[string][]byte)} }

// content returns the text of the file that holds pos, and the offset of pos in it.
func (s *Source) content(pos token.Pos) ([]byte, int) {
	file := s.pass.Fset.File(pos)
	text, ok := s.files[file.Name()]
	if !ok {
		text, _ = s.pass.ReadFile(file.Name())
		s.files[file.Name()] = text
	}
	offset := file.Offset(pos)
	if offset > len(text) {
		return nil, 0
	}
	return text, offset
}

// Text returns what stands between two places of a file.
func (s *Source) Text(from, to token.Pos) string {
	text, start := s.content(from)
	end := start + int(to-from)
	if end > len(text) {
		return ""
	}
	return string(text[start:end])
}

// Of returns the text of a node.
func (s *Source) Of(n ast.Node) string { return s.Text(n.Pos(), n.End()) }

// Delete returns the edit that deletes a statement, with its line if nothing else
// stands there. Comments stay.
func (s *Source) Delete(stmt ast.Node) analysis.TextEdit {
	from, to := stmt.Pos(), stmt.End()
	text, start := s.content(from)
	end := start + int(to-from)
	left, right := start, end
	for left > 0 && (text[left-1] == ' ' || text[left-1] == '\t') {
		left--
	}
	for right < len(text) && (text[right] == ' ' || text[right] == '\t') {
		right++
	}
	switch {
	case right < len(text) && text[right] == ';':
		to += token.Pos(right + 1 - end)
	case (left == 0 || text[left-1] == '\n') && right < len(text) && text[right] == '\n':
		from -= token.Pos(start - left)
		to += token.Pos(right + 1 - end)
	}
	return analysis.TextEdit{Pos: from, End: to}
}

// HasComment reports whether a comment stands between two places of a file.
func HasComment(file *ast.File, from, to token.Pos) bool {
	for _, group := range file.Comments {
		if group.Pos() < to && from < group.End() {
			return true
		}
	}
	return false
}

// FileOf returns the file that holds cur.
func FileOf(cur inspector.Cursor) *ast.File {
	for f := range cur.Enclosing((*ast.File)(nil)) {
		return f.Node().(*ast.File)
	}
	return nil
}

// Import returns the name under which a file imports a package, or what adds the
// import. The name is one that nothing else in the package or the file has.
func Import(pass *analysis.Pass, file *ast.File, importPath string) (name string, edits []analysis.TextEdit) {
	for _, spec := range file.Imports {
		if p, _ := strconv.Unquote(spec.Path.Value); p != importPath {
			continue
		}
		if spec.Name == nil {
			return path.Base(importPath), nil
		}
		if spec.Name.Name != "_" && spec.Name.Name != "." {
			return spec.Name.Name, nil
		}
	}
	name = path.Base(importPath)
	spec := strconv.Quote(importPath)
	if taken(pass, file, name) {
		name = "coterie" + name
		spec = name + " " + spec
	}
	for _, decl := range file.Decls { // beside the other imports
		if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.IMPORT && !isCgo(d) {
			if d.Lparen.IsValid() {
				last := d.Specs[len(d.Specs)-1].(*ast.ImportSpec)
				between := "\n\t"
				if !strings.Contains(last.Path.Value, ".") { // of the standard library, which has a paragraph of its own
					between = "\n\n\t"
				}
				at := lineEnd(pass, last.End())
				return name, []analysis.TextEdit{{Pos: at, End: at, NewText: []byte(between + spec)}}
			}
			return name, []analysis.TextEdit{{Pos: d.Pos(), End: d.Pos(), NewText: []byte("import " + spec + "\n")}}
		}
	}
	at := lineEnd(pass, file.Name.End())
	return name, []analysis.TextEdit{{Pos: at, End: at, NewText: []byte("\n\nimport " + spec)}}
}

func isCgo(d *ast.GenDecl) bool {
	return len(d.Specs) == 1 && d.Specs[0].(*ast.ImportSpec).Path.Value == `"C"`
}

// lineEnd returns the place before the newline that ends the line of pos.
func lineEnd(pass *analysis.Pass, pos token.Pos) token.Pos {
	text, offset := NewSource(pass).content(pos)
	if i := bytes.IndexByte(text[offset:], '\n'); i >= 0 {
		return pos + token.Pos(i)
	}
	return pos
}

// taken reports whether a name stands for something in the package or in a function of the file.
func taken(pass *analysis.Pass, file *ast.File, name string) bool {
	if pass.Pkg.Scope().Lookup(name) != nil {
		return true
	}
	for _, spec := range file.Imports {
		if obj := pass.TypesInfo.PkgNameOf(spec); obj != nil && obj.Name() == name {
			return true
		}
	}
	for ident, obj := range pass.TypesInfo.Defs {
		if obj != nil && ident.Name == name && file.FileStart <= ident.Pos() && ident.Pos() < file.FileEnd {
			if v, ok := obj.(*types.Var); ok && v.IsField() {
				continue
			}
			if f, ok := obj.(*types.Func); ok && f.Signature().Recv() != nil {
				continue
			}
			return true
		}
	}
	return false
}

// Editable reports whether a file may be edited: it is not generated, and the parser
// has seen it as it is.
func Editable(pass *analysis.Pass, file *ast.File) bool {
	name := pass.Fset.File(file.FileStart).Name()
	return !ast.IsGenerated(file) && pass.Fset.Position(file.Package).Filename == name // else cgo or another program made it
}

// PerIteration reports whether each iteration of a loop in the file has a variable of its own.
func PerIteration(pass *analysis.Pass, file *ast.File) bool {
	v := pass.TypesInfo.FileVersions[file]
	return v == "" || version.Compare(v, "go1.22") >= 0
}

// Ignored reports whether a file of the package that is not part of this build uses a word: a fix
// would leave that file as it is.
func Ignored(pass *analysis.Pass, word string) bool {
	for _, name := range pass.IgnoredFiles {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		text, err := pass.ReadFile(name)
		if err != nil || bytes.Contains(text, []byte(word)) && mentions(text, word) {
			return true
		}
	}
	return false
}

// mentions reports whether a file has an identifier, or imports a path, that is word.
func mentions(text []byte, word string) bool {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		return true
	}
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			found = found || n.Name == word
		case *ast.BasicLit:
			found = found || n.Value == strconv.Quote(word)
		}
		return !found
	})
	return found
}

// Exported reports whether code of other packages can see v: it is a variable of the
// package or a field with an exported name, or embedded.
func Exported(v *types.Var) bool {
	return v.Embedded() || v.Exported() && (v.IsField() || !owner.Local(v))
}

// Next returns the statement that follows one in the same list; nil if it is the last.
func Next(cur inspector.Cursor) ast.Node {
	switch kind, _ := cur.ParentEdge(); kind {
	case edge.BlockStmt_List, edge.CaseClause_Body, edge.CommClause_Body:
		if next, ok := cur.NextSibling(); ok {
			return next.Node()
		}
	}
	return nil
}

// Deepest returns the largest expression around an identifier that stands for the same variable or
// field: s.wg for wg, &wg for wg.
func Deepest(ident inspector.Cursor) inspector.Cursor {
	e := ident
	for {
		parent := e.Parent()
		switch n := parent.Node().(type) {
		case *ast.ParenExpr:
		case *ast.SelectorExpr:
			if n.Sel != e.Node() {
				return e
			}
		default:
			return e
		}
		e = parent
	}
}
