// Fleet is dedup with several processes: it finds files that have the same content, and prints the
// same as dedup.
//
//	fleet [flags] DIR...
//	fleet -connect URL [flags]
//
// It walks the trees itself. Workers, which are other processes, read the files. By default it
// starts four workers, and embeds the server from which they get their tasks:
//
//	go run . -workers 4 DIR
//
// If a worker is killed, it is started again, and another worker reads its files. With -connect it
// uses a NATS server with JetStream, and workers on other machines take part: start fleet there
// with the same URL and no DIR. Every machine must see the files under the same names.
//
// The exit status is that of dedup: 0, 1 if a file or directory could not be read, 2 for a wrong
// command line, 124 after the timeout, 130 after Ctrl-C, 143 after SIGTERM.
//
// # How it is built
//
//   - [hash] is the task. It is a closure in dedup. Here it has a name, so that another process can
//     run it.
//   - [search.sum] calls hash for batches of files, with remote.Map.
//   - [fleet.keep] keeps one worker process running. A group.Run waits for all of them.
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
	if address := os.Getenv(workerOf); address != "" {
		os.Exit(work(address, os.Stdin, os.Stderr))
	}
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
	f, err := newFleet(opts, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "fleet:", err)
		return 1
	}
	defer f.close()

	return stop.Run(ctx, opts.timeout, func(ctx context.Context) int { return f.serve(ctx, opts, stdout, stderr) })
}

// serve searches if there is a directory. Otherwise it runs only workers. It ends when ctx is done.
func (f *fleet) serve(ctx context.Context, opts options, stdout, stderr io.Writer) int {
	var r *report
	group.Run(func(g *group.Group) {
		for i := range opts.workers {
			g.Background(ctx, func(ctx context.Context) { f.keep(ctx, i) })
		}
		if len(opts.dirs) == 0 {
			<-ctx.Done()
			return
		}
		s := &search{options: opts, engine: f.engine}
		if opts.progress.wanted(stderr) {
			g.Background(ctx, func(ctx context.Context) { s.progress.draw(ctx, stderr) })
		}
		r = s.run(ctx)
	})
	if r == nil {
		return 0
	}
	err := r.writeText(stdout)
	for _, text := range r.errors {
		fmt.Fprintln(stderr, "fleet:", text)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fleet:", err)
	}
	if r.cause != nil || err != nil || len(r.errors) > 0 {
		return 1
	}
	return 0
}
