// Crawl checks the links of a web site. It visits every page that can be reached from the given
// URLs without leaving their hosts. It requests each address to which these pages link once, and
// reports each dead address with the pages that link to it.
//
//	go run ./examples/crawl [flags] URL...
//
// Without a URL it serves a small site with a few broken links on the loopback interface, and
// checks that site.
//
// At most -per-host requests to one host run at once, and at most -requests in all. After Ctrl-C,
// SIGTERM or -timeout it prints the results so far and ends. With -debug it serves a page that
// shows what it is doing:
//
//	go run ./examples/crawl -debug 127.0.0.1:6060 URL...
//	curl http://127.0.0.1:6060/debug/coterie/?format=text
//
// Exit status 0 means no dead address, 1 dead addresses, 2 bad usage, 124 the timeout, 130
// Ctrl-C, 143 SIGTERM.
//
// Each request is a task of a [pool.Keyed] whose key is the host. A task that waits for its host
// holds no worker, so a slow host does not hold up other hosts. A task starts the tasks for the
// links that it finds with its own context, so it never blocks for room. Wait waits for all of
// them.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/coterie-go/coterie/examples/internal/debug"
	"github.com/coterie-go/coterie/examples/internal/stop"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("crawl", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: crawl [flags] [URL...]")
		flags.PrintDefaults()
	}
	perHost := flags.Int("per-host", 2, "requests under way to one host at once")
	requests := flags.Int("requests", 16, "requests under way in all")
	perRequest := flags.Duration("request-timeout", 10*time.Second, "how long one request may take")
	timeout := flags.Duration("timeout", 0, "stop after this `duration`; 0 is never")
	asJSON := flags.Bool("json", false, "print one JSON document")
	debugAddr := flags.String("debug", "", debug.Usage)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *perHost < 1 || *requests < 1 || *timeout < 0 || *perRequest < 0 {
		fmt.Fprintln(stderr, "crawl: -per-host and -requests must be at least 1, and durations not negative")
		return 2
	}
	if *debugAddr != "" {
		end, err := debug.Serve(*debugAddr, stderr)
		if err != nil {
			fmt.Fprintln(stderr, "crawl:", err)
			return 2
		}
		defer end()
	}
	urls := flags.Args()
	if len(urls) == 0 {
		site := httptest.NewServer(demoSite())
		defer site.Close()
		urls = []string{site.URL + "/"}
		fmt.Fprintf(stderr, "checking a site of my own at %s\n", site.URL)
	}
	client := &http.Client{Timeout: *perRequest}
	defer client.CloseIdleConnections()
	return stop.Run(ctx, *timeout, func(ctx context.Context) int {
		began := time.Now()
		r := crawl(ctx, client, *perHost, *requests, urls)
		print := r.writeText
		if *asJSON {
			print = r.writeJSON
		}
		if err := print(stdout, time.Since(began)); err != nil {
			fmt.Fprintln(stderr, "crawl:", err)
			return 1
		}
		if r.Partial != "" {
			fmt.Fprintf(stderr, "crawl: %s; the report is partial\n", r.Partial)
		}
		return min(len(r.Dead), 1)
	})
}

func (r *report) writeText(w io.Writer, took time.Duration) error {
	for _, d := range r.Dead {
		fmt.Fprintf(w, "%s: %s\n", d.URL, d.Error)
		for _, page := range d.Pages {
			fmt.Fprintf(w, "\tlinked from %s\n", page)
		}
	}
	_, err := fmt.Fprintf(w, "%d pages, %d links to %d addresses on %d hosts, %d dead, %v\n",
		r.Pages, r.Links, r.Addresses, r.Hosts, len(r.Dead), took.Round(time.Millisecond))
	return err
}

func (r *report) writeJSON(w io.Writer, _ time.Duration) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
