// Crawl checks the links of a web site: it visits every page that can be reached
// from the given URLs without leaving their hosts, asks once for everything that
// those pages link to, and reports the links that are broken.
//
//	go run ./examples/crawl [flags] URL...
//
// With no URL it serves a small site of its own on the loopback interface, with
// a few broken links in it, and checks that.
//
// It is polite: at most -per-host requests are under way to a host at once, and
// at most -requests in all. Exit status 0 means no broken link, 1 broken links, 2
// bad usage, 130 that it was interrupted.
//
// Three things in it are worth a look. A task of the [errgroup.Group] starts the
// tasks for the links that it finds, and Wait waits for them all; the group has
// no limit, because a task that waits for room for its children while it takes up
// room itself can wait for ever. What is limited is what costs something, the
// request, by a [core.Semaphore] for each host and one for all. And the group
// collects: one broken link does not stop the others, and none is lost.
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
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
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
	timeout := flags.Duration("timeout", 10*time.Second, "for one request")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *perHost < 1 || *requests < 1 {
		fmt.Fprintln(stderr, "crawl: -per-host and -requests must be at least 1")
		return 2
	}
	urls := flags.Args()
	if len(urls) == 0 {
		site := httptest.NewServer(demoSite())
		defer site.Close()
		urls = []string{site.URL + "/"}
		fmt.Fprintf(stdout, "checking a site of my own at %s\n\n", site.URL)
	}

	c := newCrawler(&http.Client{Timeout: *timeout}, *perHost, *requests)
	began := time.Now()
	broken := c.crawl(ctx, urls)
	for _, link := range broken {
		fmt.Fprintln(stdout, link)
	}
	fmt.Fprintf(stdout, "%d pages, %d links to %d addresses on %d hosts, %d broken, %v\n",
		c.pages.Load(), c.links.Load(), c.asked.Load(), c.hostCount(), len(broken),
		time.Since(began).Round(time.Millisecond))
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "crawl: interrupted; the report is partial")
		return 130
	case len(broken) > 0:
		return 1
	}
	return 0
}
