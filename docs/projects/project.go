package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	errgroupPath  = "golang.org/x/sync/errgroup"
	semaphorePath = "golang.org/x/sync/semaphore"
	coteriePath   = "github.com/coterie-go/coterie"
	goVersion     = "1.26.0"
)

// A project is a copy of one, in which the imports can be swapped.
type project struct {
	dir, module string
	args        []string            // of go test
	packages    []string            // that are tested
	files       map[string][]string // by the import that they have, with their paths in dir
	log         io.Writer
}

// prepare finds the files, and makes go.mod ask for coterie.
func (p *project) prepare(ctx context.Context, coterie string) error {
	p.files = make(map[string][]string)
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return nil // of testdata, which is meant to be wrong
		}
		for _, spec := range file.Imports {
			if name, _ := strconv.Unquote(spec.Path.Value); name == errgroupPath || name == semaphorePath {
				p.files[name] = append(p.files[name], path)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(p.files) == 0 {
		return errors.New("no file imports errgroup or semaphore of x/sync")
	}
	module, err := p.goOutput(ctx, "list", "-m")
	if err != nil {
		return err
	}
	p.module = strings.TrimSpace(module)
	_, err = p.goOutput(ctx, "mod", "edit", "-go="+goVersion,
		"-require="+coteriePath+"@v0.0.0", "-replace="+coteriePath+"="+coterie)
	return err
}

// affected returns the packages that depend on a file to be swapped, or whose tests do.
func (p *project) affected(ctx context.Context) ([]string, error) {
	list, err := p.goOutput(ctx, "list", "-e", "-test", "-f", `{{or .ForTest .ImportPath}} {{join .Deps " "}}`, "./...")
	if err != nil {
		return nil, err
	}
	var packages []string
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		name := strings.TrimSuffix(fields[0], ".test")
		if slices.ContainsFunc(fields[1:], func(dep string) bool { return dep == errgroupPath || dep == semaphorePath }) {
			packages = append(packages, name)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages), nil
}

// swap changes the imports in all files.
func (p *project) swap() error {
	// What x/sync's semaphore exports, by its names there.
	adapter := "coteriesemaphore"
	if len(p.files[semaphorePath]) > 0 {
		dir := filepath.Join(p.dir, adapter)
		if err := os.Mkdir(dir, 0o777); err != nil {
			return err
		}
		source := "package semaphore\n\nimport \"" + coteriePath + "/core\"\n\n" +
			"type Weighted = core.Semaphore\n\nfunc NewWeighted(n int64) *Weighted { return core.NewSemaphore(n) }\n"
		if err := os.WriteFile(filepath.Join(dir, "semaphore.go"), []byte(source), 0o666); err != nil {
			return err
		}
	}
	for from, to := range map[string]string{
		errgroupPath:  coteriePath + "/errgroup",
		semaphorePath: p.module + "/" + adapter,
	} {
		for _, name := range p.files[from] {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text = bytes.Replace(text, []byte(strconv.Quote(from)), []byte(strconv.Quote(to)), 1)
			if err := os.WriteFile(name, text, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// goOutput runs the go command in the copy.
func (p *project) goOutput(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	command := p.command(ctx, &out, args...)
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out.String(), nil
}

func (p *project) command(ctx context.Context, out io.Writer, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Stdout, command.Stderr = p.dir, out, p.log
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	return command
}

// An outcome is what one side has shown: by package and test, what rounds ended how.
type outcome map[string][]string

// test runs the tests that many times.
func (p *project) test(ctx context.Context, rounds int) (outcome, error) {
	seen := make(outcome)
	for range rounds {
		var out bytes.Buffer
		args := slices.Concat([]string{"test", "-json", "-count=1"}, p.args, p.packages)
		err := p.command(ctx, &out, args...).Run()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := seen.read(&out); err != nil {
			return nil, err
		}
	}
	if seen.count() == nil {
		return nil, errors.New("go test has run no test")
	}
	return seen, nil
}

// read adds what go test -json has written. A package counts as a test without a name.
func (o outcome) read(in io.Reader) error {
	decoder := json.NewDecoder(in)
	for {
		var event struct{ Action, Package, Test string }
		switch err := decoder.Decode(&event); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if event.Package != "" && slices.Contains([]string{"pass", "fail", "skip"}, event.Action) {
			name := event.Package + " " + event.Test
			o[name] = append(o[name], event.Action)
		}
	}
}

// count returns how many tests ended how, in the first round, or nil if there is no test.
func (o outcome) count() map[string]int {
	var counts map[string]int
	for name, actions := range o {
		if !strings.HasSuffix(name, " ") { // not a package
			if counts == nil {
				counts = make(map[string]int)
			}
			counts[actions[0]]++
		}
	}
	return counts
}

func (o outcome) String() string {
	counts := o.count()
	return fmt.Sprintf("%d tests passed, %d failed, %d were skipped", counts["pass"], counts["fail"], counts["skip"])
}

// compare returns a line for each test whose outcomes have nothing in common.
func (o outcome) compare(after outcome) []string {
	var lines []string
	describe := func(actions []string) string {
		if len(actions) == 0 {
			return "not run"
		}
		return strings.Join(actions, ",")
	}
	check := func(name string) {
		a, b := o[name], after[name]
		if !slices.ContainsFunc(a, func(action string) bool { return slices.Contains(b, action) }) {
			lines = append(lines, fmt.Sprintf("differs: %s: %s before, %s after", strings.TrimSpace(name), describe(a), describe(b)))
		}
	}
	for name := range o {
		check(name)
	}
	for name := range after {
		if _, both := o[name]; !both {
			check(name)
		}
	}
	slices.Sort(lines)
	return lines
}
