// Dedup finds files that have the same content.
//
//	dedup [flags] DIR...
//
// It walks the trees and keeps the regular files whose size another file has too. It compares the
// SHA-256 sums of their prefixes. If these are equal, it compares the sums of the whole files. It
// prints each set of duplicates and a summary, and changes nothing. It does not follow symbolic
// links inside the trees. Several hard links to one file count as one file, with the first of its
// paths.
//
// If a file or directory cannot be read, the search continues, and lists it on standard error at
// the end. After Ctrl-C, SIGTERM or -timeout it prints the results so far and ends.
//
// The exit status is 0, 1 if a file or directory could not be read, 2 for a wrong command line, 124
// after the timeout, 130 after Ctrl-C, 143 after SIGTERM.
//
// # How it is built
//
// Every goroutine belongs to a block of the program, and ends before that block:
//
//   - [stop.Run] cancels the context of the program after a signal or the timeout.
//   - [options.show] opens a group.Run around the search, with a Background task
//     that draws the progress line.
//   - [search.walk] reads directories as tasks of an errgroup that collects the
//     errors of all of them.
//   - [search.hash] reads files with pool.Each, on a fixed number of workers.
//
// So to stop the program it is enough to cancel the context, and when run returns no goroutine is
// left.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/coterie-go/coterie/examples/internal/stop"
	"github.com/coterie-go/coterie/group"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the program and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	return stop.Run(ctx, opts.timeout, func(ctx context.Context) int { return opts.show(ctx, stdout, stderr) })
}

// show searches until the search or ctx ends, and writes the results.
func (opts options) show(ctx context.Context, stdout, stderr io.Writer) int {
	s := newSearch(opts)
	var r *report
	group.Run(func(g *group.Group) {
		if opts.progress.wanted(stderr) {
			g.Background(ctx, func(ctx context.Context) { s.progress.draw(ctx, stderr) })
		}
		r = s.run(ctx)
	})

	var err error
	if opts.json {
		err = r.writeJSON(stdout)
	} else {
		err = r.writeText(stdout)
	}
	for _, text := range r.Errors {
		fmt.Fprintln(stderr, "dedup:", text)
	}
	if err != nil {
		fmt.Fprintln(stderr, "dedup:", err)
	}
	if r.cause != nil || err != nil || len(r.Errors) > 0 {
		return 1
	}
	return 0
}
