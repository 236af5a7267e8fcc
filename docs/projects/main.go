// Projects runs the tests of a project that uses golang.org/x/sync/errgroup or
// golang.org/x/sync/semaphore, swaps the import for coterie's, runs them again and
// lists what differs.
//
//	go run ./docs/projects [flags] DIR
//
// DIR is a checkout of the project, or its folder in the module cache. It is not
// changed: the program works in a copy. The folder of coterie is the current one, or
// what -coterie says.
//
// Both runs use the same go.mod, which asks for the version of Go that coterie
// needs and for coterie itself. So all that differs between them is the import. A test
// counts as different if no round before had an outcome that a round after had.
//
// The exit status is 0 if nothing differs, 1 if something does, and 2 if the tests
// could not be run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status, err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "projects:", err)
	}
	os.Exit(status)
}

// run is the program without its process: it returns the exit status.
func run(ctx context.Context, args []string, out io.Writer) (int, error) {
	flags := flag.NewFlagSet("projects", flag.ContinueOnError)
	coterie := flags.String("coterie", ".", "folder of coterie")
	packages := flags.String("packages", "", "packages to test, separated by spaces (default: those that depend on the imports)")
	rounds := flags.Int("rounds", 1, "how often each side is run")
	tests := flags.String("args", "-timeout=10m", "arguments of go test, separated by spaces")
	keep := flags.Bool("keep", false, "keep the copy, and say where it is")
	if err := flags.Parse(args); err != nil {
		return 2, err
	}
	if flags.NArg() != 1 || *rounds < 1 {
		return 2, errors.New("one folder is expected, and at least one round")
	}
	ours, err := filepath.Abs(*coterie)
	if err != nil {
		return 2, err
	}
	dir, err := os.MkdirTemp("", "projects-")
	if err != nil {
		return 2, err
	}
	if *keep {
		fmt.Fprintln(out, "copy in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	if err := copyTree(dir, flags.Arg(0)); err != nil {
		return 2, err
	}

	p := &project{dir: dir, args: strings.Fields(*tests), log: os.Stderr}
	if err := p.prepare(ctx, ours); err != nil {
		return 2, err
	}
	p.packages = strings.Fields(*packages)
	if len(p.packages) == 0 {
		if p.packages, err = p.affected(ctx); err != nil {
			return 2, err
		}
	}
	fmt.Fprintf(out, "%s: %d files import errgroup, %d semaphore; %d packages are tested\n",
		p.module, len(p.files[errgroupPath]), len(p.files[semaphorePath]), len(p.packages))

	before, err := p.test(ctx, *rounds)
	if err != nil {
		return 2, err
	}
	fmt.Fprintln(out, "before:", before)
	if err := p.swap(); err != nil {
		return 2, err
	}
	after, err := p.test(ctx, *rounds)
	if err != nil {
		return 2, err
	}
	fmt.Fprintln(out, "after: ", after)
	different := before.compare(after)
	for _, line := range different {
		fmt.Fprintln(out, line)
	}
	if len(different) > 0 {
		return 1, nil
	}
	fmt.Fprintln(out, "no result differs")
	return 0, nil
}

// copyTree copies the files that Go needs, and makes them writable. Vendored modules
// and version control stay behind.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir() && (d.Name() == ".git" || rel == "vendor"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o777)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case !d.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, info.Mode().Perm()|0o200)
	})
}
