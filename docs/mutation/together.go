package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// This file holds how many mutants are tried with one build. Each function is built with a body
// for each of its mutants, and an environment variable says which of them runs. Such a
// build may allocate where the original does not. So tests that fail in it without a mutant
// do not count, and a mutant that survives is built by itself and tried again.

const (
	mutantVar = "COTERIE_MUTANT"
	together  = 250 // mutants in a build
	declared  = `package %s

import (
	"os"
	"strconv"
)

var coterieMutant, _ = strconv.Atoi(os.Getenv("` + mutantVar + `"))
`
)

// goesTogether reports whether a mutant can be built with others. A label may stand only once
// in a function.
func (m *mutant) goesTogether() bool {
	if m.within == nil {
		return false
	}
	labels := false
	ast.Inspect(m.within, func(n ast.Node) bool {
		_, is := n.(*ast.LabeledStmt)
		labels = labels || is
		return !labels
	})
	return !labels
}

// combined returns the files of the targets with all of these mutants, which are counted from 1.
func (p *program) combined(mutants []*mutant) map[string][]byte {
	offset := func(f *ast.FuncDecl) int { return p.fset.Position(f.Body.Lbrace).Offset + 1 }
	bodies := map[*ast.FuncDecl]string{}
	byFile := map[*file][]*ast.FuncDecl{}
	files := map[string][]byte{}
	for i, m := range mutants {
		begin, end := offset(m.within), p.fset.Position(m.within.Body.Rbrace).Offset
		if bodies[m.within] == "" {
			byFile[m.file] = append(byFile[m.file], m.within)
		}
		text := m.file.text
		body := string(text[begin:m.from]) + m.text + string(text[m.to:end])
		after := ""
		if m.within.Type.Results == nil {
			after = "return\n"
		}
		bodies[m.within] += fmt.Sprintf("\ncase %d:\n{%s\n}\n%s", i+1, body, after)
		files[filepath.Join(m.target.Dir, "coterie_mutant.go")] = fmt.Appendf(nil, declared, m.target.pkg.Name())
	}
	for f, functions := range byFile {
		slices.SortFunc(functions, func(a, b *ast.FuncDecl) int { return cmp.Compare(a.Pos(), b.Pos()) })
		var text strings.Builder
		last := 0
		for _, function := range functions {
			text.Write(f.text[last:offset(function)])
			text.WriteString("\nswitch coterieMutant {" + bodies[function] + "}\n")
			last = offset(function)
		}
		text.Write(f.text[last:])
		files[f.path] = []byte(text.String())
	}
	return files
}

// A trial is the state of tryAll.
type trial struct {
	*runner
	out   io.Writer
	until time.Time // zero: no bound
	quick bool      // survivors are not tried again by themselves

	mu  sync.Mutex // guards what follows
	all []tried
	err error
}

// tryAll tries mutants, several at once, and writes a line about each.
func (r *runner) tryAll(out io.Writer, s *settings, mutants []*mutant, equivalents []*equivalent) ([]tried, error) {
	t := &trial{runner: r, out: out, quick: s.quick}
	if s.budget > 0 {
		t.until = time.Now().Add(s.budget)
	}
	var several, alone []*mutant
	for _, m := range mutants {
		switch {
		case find(equivalents, m) != nil:
			t.note(m, result{verdict: excused}, nil)
		case !r.program.builds(m):
			t.note(m, result{verdict: unbuilt}, nil)
		case m.goesTogether():
			several = append(several, m)
		default:
			alone = append(alone, m)
		}
	}
	for part := range slices.Chunk(several, together) {
		alone = append(alone, t.tryTogether(part)...)
	}
	t.each(alone, func(m *mutant, _ int) {
		res, err := r.try(m)
		t.note(m, res, err)
	})
	return t.all, t.err
}

func (t *trial) over() bool { return !t.until.IsZero() && time.Now().After(t.until) }

func (t *trial) note(m *mutant, res result, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
	t.all = append(t.all, tried{m, res})
	fmt.Fprintln(t.out, tried{m, res}.describe())
}

// each calls f for each mutant, several at once, until the budget is spent.
func (t *trial) each(mutants []*mutant, f func(m *mutant, i int)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range t.parallel {
		all.Go(func() {
			for i := range next {
				f(mutants[i], i)
			}
		})
	}
	for i := range mutants {
		if t.over() {
			break
		}
		next <- i
	}
	close(next)
	all.Wait()
}

// tryTogether tries mutants with one build, or with one for each half if it does not build. It returns
// those that are to be tried alone.
func (t *trial) tryTogether(part []*mutant) (left []*mutant) {
	if len(part) < 2 || t.over() {
		return part
	}
	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return part
	}
	defer os.RemoveAll(tmp)
	env, err := overlay(tmp, t.program.combined(part))
	if err != nil {
		return part
	}
	binaries := map[string]*testBinary{}
	for _, m := range part {
		for _, tester := range t.program.testers(m.target) {
			if binaries[tester.ImportPath] != nil {
				continue
			}
			b, err := t.build(tester, env, tmp)
			if err != nil {
				fmt.Fprintf(t.out, "%s: %d mutants do not build together: %v\n", tester.ImportPath, len(part), err)
				half := len(part) / 2
				return append(t.tryTogether(part[:half]), t.tryTogether(part[half:])...)
			}
			if !t.addSkips(b) {
				fmt.Fprintf(t.out, "%s: the tests do not end with a build of %d mutants\n", tester.ImportPath, len(part))
				return part
			}
			binaries[tester.ImportPath] = b
		}
	}
	var mu sync.Mutex
	t.each(part, func(m *mutant, i int) {
		for _, tester := range t.order(m.target) {
			b := binaries[tester.ImportPath]
			if res, _ := t.test(b, t.most(b.listed), fmt.Sprintf("%s=%d", mutantVar, i+1)); res.verdict != survived {
				t.note(m, res, nil)
				return
			}
		}
		if t.quick {
			t.note(m, result{verdict: survived}, nil)
			return
		}
		mu.Lock()
		left = append(left, m)
		mu.Unlock()
	})
	return left
}

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// addSkips has a binary skip what fails in it without a mutant. It reports false if that is not
// known because the tests do not end.
func (t *trial) addSkips(b *testBinary) bool {
	args := append([]string{"-test.timeout=0"}, t.testFlags...)
	v, out := t.runTests(b.path, b.Dir, b.env, args, mostWithout+5*time.Second)
	if v == survived {
		return true
	}
	var failed []string
	for _, m := range failedTest.FindAllSubmatch(out, -1) {
		failed = append(failed, string(m[1]))
	}
	for _, name := range failed {
		if slices.ContainsFunc(failed, func(other string) bool { return strings.HasPrefix(other, name+"/") }) {
			continue // only the part of it
		}
		parts := strings.Split(name, "/")
		for i, part := range parts {
			parts[i] = "^" + regexp.QuoteMeta(part) + "$"
		}
		b.skips = append(b.skips, strings.Join(parts, "/"))
	}
	return v == killed && len(b.skips) > 0
}
