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
//   - [run] opens a group.Run around the search, for the two tasks that go on
//     beside it: one listens for signals, the other draws the progress line.
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
	"os/signal"
	"syscall"

	"github.com/coterie-go/coterie/group"
)

var (
	errTimeout     = errors.New("timeout")
	errInterrupted = errors.New("interrupted")
	errTerminated  = errors.New("terminated")
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
	if opts.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, opts.timeout, errTimeout)
		defer cancel()
	}

	s := newSearch(opts)
	var r *report
	group.Run(func(g *group.Group) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil) // ends the two tasks, for which Run then waits
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		g.GoNamed("signals", func() { listen(ctx, signals, cancel) })
		if opts.progress.wanted(stderr) {
			g.GoNamed("progress", func() { s.progress.draw(ctx, stderr) })
		}
		r = s.run(ctx)
	})

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
	switch {
	case r.cause == nil && err == nil && len(r.Errors) == 0:
		return 0
	case errors.Is(r.cause, errTimeout):
		return 124
	case errors.Is(r.cause, errTerminated):
		return 143
	case r.cause != nil:
		return 130
	default:
		return 1
	}
}

// listen cancels with the first signal. After it the signals do what they do in
// any program, so that a second Ctrl-C ends this one at once.
func listen(ctx context.Context, signals chan os.Signal, cancel context.CancelCauseFunc) {
	defer signal.Stop(signals)
	select {
	case <-ctx.Done():
	case s := <-signals:
		if s == syscall.SIGTERM {
			cancel(errTerminated)
		} else {
			cancel(errInterrupted)
		}
	}
}
