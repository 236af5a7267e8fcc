// Dedup finds files that have the same content.
//
//	dedup [flags] DIR...
//
// It walks the trees, keeps the regular files that share their size with
// another, compares those by the SHA-256 of a prefix and then, where that agrees
// too, of the whole, and prints each set of duplicates and a summary. It changes
// nothing. Symbolic links inside the trees are not followed, and several hard
// links to one file are one file, named by the first of its paths.
//
// What cannot be read does not stop it: it is listed on standard error in the
// end. Ctrl-C and -timeout do, with what was found so far.
//
// The exit status is 0, 1 if something could not be read, 2 for a wrong command
// line, 124 after the timeout, 130 after Ctrl-C, 143 after SIGTERM.
//
// # How it is built
//
// Every goroutine belongs to a block of the program, which ends after it:
//
//   - [stop.Run] ends the context of the program by a signal or at the timeout.
//   - [options.show] opens a group.Run around the search, with a Background task
//     that draws the progress line.
//   - [search.walk] reads directories as tasks of an errgroup that collects the
//     errors of all of them.
//   - [search.hash] reads files with pool.Each, on a fixed number of workers.
//
// So cancelling the context is all that it takes to stop, and when run returns
// nothing is left running.
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

// run is the program without its process: it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	return stop.Run(ctx, opts.timeout, func(ctx context.Context) int { return opts.show(ctx, stdout, stderr) })
}

// show searches, and writes what it has found until ctx ends.
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
