// Server accepts jobs by HTTP, runs them on a pool of workers, and stops in order after a signal.
// It consists of services:
//
//	metrics   a page of numbers, on a listener of its own; it answers until the end
//	flush     writes how many jobs were done, from time to time and at the end
//	workers   a pool that runs jobs
//	web       accepts jobs
//
// Each service starts when the one above it is ready, and stops before it.
//
//	go run ./examples/server [-addr HOST:PORT] [-metrics HOST:PORT] [-debug HOST:PORT] [-workers N] [-queue N] [-grace TIME] [-flush TIME]
//	curl -X POST 'http://HOST:PORT/jobs?work=500ms'   # answers when the job is queued
//	curl -X POST 'http://HOST:PORT/run?work=500ms'    # answers when the job is done
//	curl http://METRICS-HOST:PORT/metrics
//	curl http://DEBUG-HOST:PORT/debug/coterie/?format=text   # what it is doing
//
// Without -addr it runs a demonstration: it listens on the loopback interface, sends itself jobs,
// and stops.
//
// After SIGTERM or an interrupt it stops listening, answers the requests that it has, and lets the
// workers finish the queued jobs. Each service has -grace for that. A service that takes longer is
// reported with its stack. A second signal ends the program at once, with the same report. The exit
// status is 130 after an interrupt, 143 after SIGTERM and 0 after the demonstration if all accepted
// jobs were done, and 1 if they were not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coterie-go/coterie/examples/internal/debug"
	"github.com/coterie-go/coterie/examples/internal/stop"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/service"
	"github.com/coterie-go/coterie/pool"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// settings are the values of the flags.
type settings struct {
	addr, metrics  string
	debug          string
	workers, queue int
	grace, flush   time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var set settings
	flags.StringVar(&set.addr, "addr", "", "where to listen; without it the server shows itself and ends")
	flags.StringVar(&set.metrics, "metrics", "127.0.0.1:0", "where to show the metrics")
	flags.StringVar(&set.debug, "debug", "", debug.Usage)
	flags.IntVar(&set.workers, "workers", 4, "jobs that run at once")
	flags.IntVar(&set.queue, "queue", 64, "jobs that may wait")
	flags.DurationVar(&set.grace, "grace", time.Second, "how long each service may take to stop after the signal")
	flags.DurationVar(&set.flush, "flush", time.Second, "how often to write what was done")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if set.workers < 1 || set.queue < 1 || set.grace <= 0 || set.flush <= 0 || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "server: -workers and -queue must be at least 1, -grace and -flush positive, and there are no arguments")
		return 2
	}
	signals := make(chan os.Signal, 1) // the first is for the exit status; service.Run acts on them
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := serve(ctx, set, stdout); err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return 1
	}
	select {
	case s := <-signals:
		return stop.Status(s)
	default:
		return 0
	}
}

// serve runs the services until ctx is done, a signal comes, or the demonstration has ended.
func serve(ctx context.Context, set settings, log io.Writer) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	web, err := net.Listen("tcp", withDefault(set.addr, "127.0.0.1:0"))
	if err != nil {
		return err
	}
	defer web.Close()
	metrics, err := net.Listen("tcp", set.metrics)
	if err != nil {
		return err
	}
	defer metrics.Close()
	log = &lockedWriter{w: log}
	s := newServer(set, log)
	fmt.Fprintf(log, "listening on http://%s, metrics on http://%s/metrics\n", web.Addr(), metrics.Addr())
	services := []service.Service{
		{Name: "metrics", Run: listen(metrics, http.HandlerFunc(s.metrics))},
		{Name: "flush", After: []string{"metrics"}, Run: s.flush},
		{Name: "workers", After: []string{"flush"}, Run: s.work, Grace: set.grace + time.Second}, // work itself ends after set.grace
		{Name: "web", After: []string{"workers"}, Run: listen(web, s)},
	}
	if set.debug != "" {
		l, err := debug.Listen(set.debug, log)
		if err != nil {
			return err
		}
		defer l.Close()
		services = append(services, service.Service{Name: "debug", Run: listen(l, debug.Handler())})
	}
	if set.addr == "" {
		services = append(services, service.Service{Name: "demo", After: []string{"web"}, Run: func(ctx context.Context, _ func()) error {
			defer end()
			return demo(ctx, "http://"+web.Addr().String())
		}})
	}
	return service.Run(ctx, service.Options{
		Name:    "server",
		Grace:   set.grace,
		Signals: []os.Signal{os.Interrupt, syscall.SIGTERM},
		Observe: func(e service.Event) { fmt.Fprintln(log, e.Service, e.Kind) },
	}, services...)
}

// listen returns the Run of a service that answers requests to l.
func listen(l net.Listener, handler http.Handler) func(context.Context, func()) error {
	return func(ctx context.Context, ready func()) error {
		server := &http.Server{Handler: handler}
		var g group.Group
		defer g.Wait()
		serving := group.Fork(&g, func() (struct{}, error) { return struct{}{}, server.Serve(l) })
		ready() // l already accepts connections
		select {
		case <-ctx.Done():
			return server.Shutdown(context.WithoutCancel(ctx)) // the service's Grace is its limit
		case <-serving.Done():
			_, err := serving.Get()
			return err
		}
	}
}

// demo sends jobs, and blocks until the last job has ended.
func demo(ctx context.Context, base string) error {
	client := new(http.Client)
	defer client.CloseIdleConnections()
	err := pool.For(ctx, 4, 20, func(ctx context.Context, i int) error {
		return post(ctx, client, base+"/jobs?work=100ms")
	})
	if err != nil {
		return err
	}
	return post(ctx, client, base+"/run?work=10ms")
}

func post(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s: %s", url, response.Status)
	}
	return nil
}

func withDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
