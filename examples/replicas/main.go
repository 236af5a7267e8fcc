// Replicas reads from three flaky copies of the same data, and shows how hedging changes the
// latency.
//
//	go run ./examples/replicas [-n REQUESTS] [-hedge DELAY] [-timeout TIME]
//
// It starts three HTTP servers in this process. Most of their answers take a few milliseconds, one
// in twenty takes 100 ms, and one in fifty is an error. Then it reads from them in three ways, and
// draws histograms of the latencies:
//
//   - one replica: ask one, and return its answer or error;
//   - hedged: ask one; if it fails, or has not answered after the hedge delay, ask the next too;
//     return the first answer, and cancel the other requests ([errgroup.Race]);
//   - quorum: ask all, and return as soon as two have answered ([errgroup.Quorum]).
//
// After Ctrl-C, SIGTERM or -timeout it prints the results so far and ends. Exit status 0 means that
// all reads were measured, 2 bad usage, 124 the timeout, 130 Ctrl-C, 143 SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/coterie-go/coterie/examples/internal/stop"
	"github.com/coterie-go/coterie/pool"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("replicas", flag.ContinueOnError)
	flags.SetOutput(stderr)
	n := flags.Int("n", 400, "reads in each of the three ways")
	hedge := flags.Duration("hedge", 20*time.Millisecond, "how long to wait for a replica before the next is asked too")
	timeout := flags.Duration("timeout", 0, "stop after this `duration`; 0 is never")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *n < 1 || *hedge <= 0 || *timeout < 0 || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "replicas: -n and -hedge must be positive, -timeout not negative, and there are no arguments")
		return 2
	}

	transport := &http.Transport{MaxIdleConnsPerHost: readers}
	defer transport.CloseIdleConnections()
	var replicas []replica
	for i := range 3 {
		server := httptest.NewServer(newFlaky(uint64(i)))
		defer server.Close()
		replicas = append(replicas, overHTTP(&http.Client{Transport: transport}, server.URL))
	}
	return stop.Run(ctx, *timeout, func(ctx context.Context) int {
		for _, way := range []struct {
			name string
			read replica
		}{
			{"one replica", replicas[0]},
			{fmt.Sprintf("hedged after %v", *hedge), hedged(*hedge, replicas...)},
			{"quorum of 2", quorum(2, replicas...)},
		} {
			h, err := measure(ctx, *n, way.read)
			fmt.Fprintf(stdout, "%s\n%s\n", way.name, h)
			if err != nil {
				fmt.Fprintf(stderr, "replicas: %v; the last histogram is partial\n", err)
				return 1
			}
		}
		return 0
	})
}

// readers is how many reads run at once.
const readers = 8

// measure reads n times and records the latencies.
func measure(ctx context.Context, n int, read replica) (*histogram, error) {
	h := new(histogram)
	err := pool.For(ctx, readers, n, func(ctx context.Context, i int) error {
		began := time.Now()
		_, err := read(ctx, fmt.Sprint("key-", i))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h.add(time.Since(began), err)
		return nil
	})
	return h, err
}
