// Fleet is dedup over several processes: it finds files that have the same
// content, and prints what dedup prints.
//
//	fleet [flags] DIR...
//	fleet -connect URL [flags]
//
// It walks the trees itself, and leaves the reading of files to workers, which are
// processes of their own. By default it starts four of them, and the server
// through which they get their tasks is embedded in this process:
//
//	go run . -workers 4 DIR
//
// A worker that is killed is started again, and the files that it had are read by
// another. With -connect the server is a NATS server with JetStream, and workers on
// other machines take part: start them there with the same URL and no DIR. Every
// machine must see the files under the same names.
//
// The exit status is that of dedup: 0, 1 if something could not be read, 2 for a
// wrong command line, 124 after the timeout, 130 after Ctrl-C, 143 after SIGTERM.
//
// # How it is built
//
//   - [hash] is the task: a closure of dedup that got a name, so that a process
//     that has never seen the caller can run it.
//   - [search.sum] maps batches of files over it, with remote.Map.
//   - [fleet.keep] holds on to one worker process; a group.Run joins them all.
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
	if address := os.Getenv(workerOf); address != "" {
		os.Exit(work(address, os.Stdin, os.Stderr))
	}
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
	f, err := newFleet(opts, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "fleet:", err)
		return 1
	}
	defer f.close()

	if opts.timeout > 0 {
		var free context.CancelFunc
		ctx, free = context.WithTimeoutCause(ctx, opts.timeout, errTimeout)
		defer free()
	}
	var r *report
	ctx, cancel := context.WithCancelCause(ctx)
	group.Run(func(g *group.Group) {
		defer cancel(nil) // ends the other tasks, for which Run then waits
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		g.GoNamed("signals", func() { listen(ctx, signals, cancel) })
		for i := range opts.workers {
			g.GoNamed(fmt.Sprint("worker ", i), func() { f.keep(ctx, i) })
		}
		if len(opts.dirs) == 0 {
			<-ctx.Done() // works for others
			return
		}
		s := &search{options: opts, engine: f.engine}
		if opts.progress.wanted(stderr) {
			g.GoNamed("progress", func() { s.progress.draw(ctx, stderr) })
		}
		r = s.run(ctx)
	})
	if r == nil {
		return 0
	}
	err = r.writeText(stdout)
	for _, text := range r.errors {
		fmt.Fprintln(stderr, "fleet:", text)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fleet:", err)
	}
	switch {
	case r.cause == nil && err == nil && len(r.errors) == 0:
		return 0
	case errors.Is(r.cause, errTimeout):
		return 124
	case errors.Is(r.cause, errTerminated):
		return 143
	case errors.Is(r.cause, errInterrupted):
		return 130
	default:
		return 1
	}
}

// listen cancels with the first signal. After it a signal ends the program at
// once.
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
