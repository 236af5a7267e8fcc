// Server takes jobs by HTTP, runs them on a pool of workers, and shuts down in
// order when it is told to.
//
//	go run ./examples/server [-addr HOST:PORT] [-workers N] [-queue N] [-grace TIME]
//	curl -X POST 'http://HOST:PORT/jobs?work=500ms'
//	curl http://HOST:PORT/stats
//
// Without -addr it shows what it does: it listens on the loopback interface,
// sends itself jobs, one of which takes far too long, and then the signal to end.
//
// On SIGTERM or an interrupt it stops to listen, answers the requests that it
// has, and lets the workers finish what is queued. If that takes longer than
// -grace, it drops what has not been started, says who is stuck and where, and
// cancels the jobs. No goroutine is left in any case: every one of them is a task
// of the [group.Run] in serve, of the [http.Server] or of the [pool.Pool]. Exit
// status 0 means that all that was accepted was done, 1 that it was not.
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

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "", "where to listen; without it the server shows itself and ends")
	workers := flags.Int("workers", 4, "jobs that run at once")
	queue := flags.Int("queue", 64, "jobs that may wait")
	grace := flags.Duration("grace", time.Second, "how long jobs may take to end after the signal")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *workers < 1 || *queue < 1 || *grace < 0 || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "server: -workers and -queue must be at least 1, -grace must not be negative, and there are no arguments")
		return 2
	}
	listener, err := net.Listen("tcp", withDefault(*addr, "127.0.0.1:0"))
	if err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return 1
	}
	fmt.Fprintf(stdout, "listening on http://%s\n", listener.Addr())

	s := newServer(*workers, *queue, stdout)
	var visit func(context.Context, string)
	if *addr == "" {
		visit = func(ctx context.Context, base string) { demo(ctx, base, stdout) }
	}
	if err := serve(ctx, s, listener, *grace, visit); err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return 1
	}
	return 0
}

// serve runs s until ctx is done, or until visit, if there is one, has returned.
func serve(ctx context.Context, s *server, l net.Listener, grace time.Duration, visit func(ctx context.Context, base string)) (err error) {
	ctx, stop := context.WithCancel(ctx)
	web := &http.Server{Handler: s}
	group.Run(func(g *group.Group) {
		listening := group.Fork(g, func() (struct{}, error) {
			defer stop()
			return struct{}{}, web.Serve(l)
		})
		if visit != nil {
			g.Go(func() {
				defer stop()
				visit(ctx, "http://"+l.Addr().String())
			})
		}
		<-ctx.Done()
		err = shutdown(web, s, grace)
		if _, failed := listening.Get(); !errors.Is(failed, http.ErrServerClosed) {
			err = failed
		}
	})
	return err
}

// shutdown ends the server in the order in which work flows through it.
func shutdown(web *http.Server, s *server, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	fmt.Fprintf(s.log, "shutting down: %+v\n", s.pool.Stats())
	if err := web.Shutdown(ctx); err != nil {
		web.Close()
	}
	err := s.pool.Shutdown(ctx)
	s.cancelJobs()
	s.pool.Close() // the jobs end now, if they did not before
	fmt.Fprintf(s.log, "the end: %+v\n", s.pool.Stats())
	return err
}

// demo sends jobs, of which the last does not end within the grace period.
func demo(ctx context.Context, base string, log io.Writer) {
	client := new(http.Client)
	defer client.CloseIdleConnections()
	err := pool.For(ctx, 4, 20, func(ctx context.Context, i int) error {
		return post(ctx, client, base+"/jobs?work=100ms")
	})
	if err == nil {
		err = post(ctx, client, base+"/jobs?work=1h")
	}
	if err != nil {
		fmt.Fprintln(log, "demo:", err)
	}
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
	if response.StatusCode != http.StatusAccepted {
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
