package errgroup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

// serve starts an HTTP server that answers with text.
func serve(text string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text)
	}))
}

// get returns a function that fetches url.
func get(url string) func(ctx context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
}

// Fetch three services at once and join what they say. If one fails, the requests
// to the others are cancelled.
func ExampleAll3() {
	users, prices, stock := serve("Ada"), serve("12"), serve("many")
	defer users.Close()
	defer prices.Close()
	defer stock.Close()

	user, price, left, err := errgroup.All3(context.Background(),
		get(users.URL),
		get(prices.URL),
		get(stock.URL),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s may buy %s for %s", user, left, price)
	// Output: Ada may buy many for 12
}

func ExampleAll2() {
	length, upper, err := errgroup.All2(context.Background(),
		func(context.Context) (int, error) { return len("coterie"), nil },
		func(context.Context) (string, error) { return strings.ToUpper("coterie"), nil },
	)
	fmt.Println(length, upper, err)
	// Output: 7 COTERIE <nil>
}

func ExampleGather() {
	servers := []*httptest.Server{serve("one"), serve("two"), serve("three")}
	var fetches []func(ctx context.Context) (string, error)
	for _, s := range servers {
		defer s.Close()
		fetches = append(fetches, get(s.URL))
	}
	texts, err := errgroup.Gather(context.Background(), fetches...)
	fmt.Println(texts, err)
	// Output: [one two three] <nil>
}

// Dial every address of a host, each a little after the one before, and at once
// when that has failed: "happy eyeballs", RFC 8305. The first connection is used;
// others that come about all the same are closed.
func ExampleRace() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	addresses := []string{"127.0.0.1:0", listener.Addr().String()} // nobody listens on port 0

	var dials []func(ctx context.Context) (net.Conn, error)
	for _, address := range addresses {
		dials = append(dials, func(ctx context.Context) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "tcp", address)
		})
	}
	conn, err := errgroup.Race(context.Background(), errgroup.RaceOptions[net.Conn]{
		Stagger: 250 * time.Millisecond,
		Discard: func(conn net.Conn) { conn.Close() },
	}, dials...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Println("connected to the second address:", conn.RemoteAddr().String() == addresses[1])
	// Output: connected to the second address: true
}

// A replica is a store that may be down.
type replica struct {
	name string
	err  error
}

func (r replica) Write(ctx context.Context, _ []byte) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.err
}

// Write to three replicas, and go on when two have the data.
func ExampleQuorum() {
	replicas := []replica{{"a", nil}, {"b", errors.New("disk full")}, {"c", nil}}

	var writes []func(ctx context.Context) (string, error)
	for _, r := range replicas {
		writes = append(writes, func(ctx context.Context) (string, error) {
			if err := r.Write(ctx, []byte("data")); err != nil {
				return "", fmt.Errorf("replica %s: %w", r.name, err)
			}
			return r.name, nil
		})
	}
	written, err := errgroup.Quorum(context.Background(), 2, errgroup.RaceOptions[string]{}, writes...)
	fmt.Println(len(written), "replicas have it, error:", err)

	_, err = errgroup.Quorum(context.Background(), 3, errgroup.RaceOptions[string]{}, writes...)
	fmt.Println("all three:", err)
	// Output:
	// 2 replicas have it, error: <nil>
	// all three: replica b: disk full
}

// Ask all servers, and use what there is.
func ExampleSettle() {
	up := func(context.Context) (string, error) { return "12 users", nil }
	down := func(context.Context) (string, error) { return "", errors.New("connection refused") }

	for i, o := range errgroup.Settle(context.Background(), up, down, up) {
		if o.Err != nil {
			fmt.Printf("server %d: %v\n", i, o.Err)
			continue
		}
		fmt.Printf("server %d: %s\n", i, o.Value)
	}
	// Output:
	// server 0: 12 users
	// server 1: connection refused
	// server 2: 12 users
}

func ExampleErrors() {
	g, _ := errgroup.New(context.Background(), errgroup.Options{Collect: true})
	g.Go(func() error { return errors.Join(errors.New("no name"), errors.New("no mail")) })
	g.Go(func() error { return errors.New("no age") })
	for _, err := range errgroup.Errors(g.Wait()) {
		fmt.Println("-", err)
	}
	// Output:
	// - no name
	// - no mail
	// - no age
}

// Check all fields of a form at once, and tell of everything that is wrong, in the
// order of the fields.
func ExampleNew() {
	form := []struct{ field, value string }{{"name", ""}, {"mail", "ada@example.org"}, {"age", "minus one"}}

	g, _ := errgroup.New(context.Background(), errgroup.Options{Name: "form", Collect: true})
	for _, f := range form {
		g.GoNamed(f.field, func() error {
			switch {
			case f.value == "":
				return errors.New("is required")
			case f.field == "age" && strings.Trim(f.value, "0123456789") != "":
				return fmt.Errorf("%q is not a number", f.value)
			}
			return nil
		})
	}
	fmt.Println(g.Wait())
	// Output: form/name: is required; form/age: "minus one" is not a number
}

func ExampleWithContext() {
	g, ctx := errgroup.WithContext(context.Background())
	g.Go(func() error { return errors.New("no such host") })
	g.Go(func() error {
		<-ctx.Done() // the first error cancels the others
		return ctx.Err()
	})
	fmt.Println(g.Wait())
	// Output: no such host
}

func ExampleRun() {
	lines := make(chan string)
	err := errgroup.Run(context.Background(), func(ctx context.Context, g *errgroup.Group) error {
		g.Go(func() error {
			defer close(lines)
			for _, line := range []string{"one", "two", "stop", "three"} {
				select {
				case lines <- line:
				case <-ctx.Done(): // the reader is gone
					return ctx.Err()
				}
			}
			return nil
		})
		for line := range lines {
			if line == "stop" {
				return errors.New("stopped") // Run still waits for the task
			}
			fmt.Println(line)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// one
	// two
	// stopped
}

func ExampleRunWith() {
	opts := errgroup.Options{Collect: true, Panics: core.Capture}
	err := errgroup.RunWith(context.Background(), opts, func(_ context.Context, g *errgroup.Group) error {
		g.Go(func() error { return errors.New("no such host") })
		g.Go(func() error { panic("index out of range") })
		return nil
	})
	var panicked *core.PanicError
	fmt.Println(errors.As(err, &panicked), panicked.Value)
	// Output: true index out of range
}

func ExampleFork() {
	g, _ := errgroup.WithContext(context.Background())
	answer := errgroup.Fork(g, func() (int, error) { return 42, nil })
	g.Go(func() error {
		n, err := answer.Get()
		fmt.Println(n)
		return err
	})
	fmt.Println(g.Wait())
	// Output:
	// 42
	// <nil>
}

func ExampleGroup_Go() {
	var g errgroup.Group
	for _, name := range []string{"a", "b", "c"} {
		g.Go(func() error {
			if name == "b" {
				return fmt.Errorf("%s: not found", name)
			}
			return nil
		})
	}
	fmt.Println(g.Wait())
	// Output: b: not found
}

func ExampleGroup_TryGo() {
	g, ctx := errgroup.New(context.Background(), errgroup.Options{Limit: 1})
	task := func() error { <-ctx.Done(); return nil }
	fmt.Println(g.TryGo(task), g.TryGo(task))
	g.Cancel(errors.New("done"))
	fmt.Println(g.Wait())
	// Output:
	// true false
	// done
}

func ExampleGroup_GoContext() {
	g, ctx := errgroup.New(context.Background(), errgroup.Options{Limit: 1})
	gate := make(chan struct{})
	g.Go(func() error { <-gate; return nil })
	time.AfterFunc(time.Millisecond, func() { g.Cancel(errors.New("the user has left")) })

	// There is no room, so this waits, and gives up when the group is cancelled.
	err := g.GoContext(ctx, func(context.Context) error {
		fmt.Println("never printed")
		return nil
	})
	fmt.Println("not started:", err)
	close(gate)
	_ = g.Wait()
	// Output: not started: the user has left
}

func ExampleGroup_GoNamed() {
	g, _ := errgroup.New(context.Background(), errgroup.Options{Name: "ingest"})
	g.GoNamed("fetch", func() error { return errors.New("no such host") })
	fmt.Println(g.Wait())
	// Output: ingest/fetch: no such host
}

// A server that the tasks ask, for as long as there are tasks.
func ExampleGroup_Background() {
	questions := make(chan chan int)
	err := errgroup.Run(context.Background(), func(_ context.Context, g *errgroup.Group) error {
		g.Background(func(ctx context.Context) error {
			for n := 0; ; n++ {
				select {
				case question := <-questions:
					question <- n
				case <-ctx.Done():
					return ctx.Err() // no error of the group
				}
			}
		})
		g.Go(func() error {
			answer := make(chan int)
			questions <- answer
			fmt.Println(<-answer)
			return nil
		})
		return nil
	})
	fmt.Println(err)
	// Output:
	// 0
	// <nil>
}

func ExampleGroup_SetLimit() {
	var g errgroup.Group
	g.SetLimit(2)
	for i := range 10 {
		g.Go(func() error { return work(i) }) // waits for room
		if i == 5 {
			g.SetLimit(4) // may be changed while tasks run
		}
	}
	fmt.Println(g.Wait())
	// Output: <nil>
}

func work(int) error { return nil }

func ExampleGroup_Wait() {
	var g errgroup.Group
	g.Go(func() error { panic("index out of range") })
	defer func() {
		p := recover().(*core.PanicError)
		fmt.Println("raised here:", p.Value)
	}()
	_ = g.Wait()
	// Output: raised here: index out of range
}

func ExampleGroup_WaitContext() {
	g, groupCtx := errgroup.New(context.Background(), errgroup.Options{Name: "ingest"})
	begun := make(chan struct{})
	g.GoNamed("fetch", func() error { close(begun); <-groupCtx.Done(); return nil })
	<-begun

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var stuck *core.StuckError
	if errors.As(g.WaitContext(ctx), &stuck) {
		fmt.Println(stuck.Running, "running:", stuck.Tasks[0].Name)
	}
	g.Cancel(nil)
	fmt.Println(g.Wait())
	// Output:
	// 1 running: ingest/fetch
	// context canceled
}

func ExampleGroup_Cancel() {
	g, ctx := errgroup.WithContext(context.Background())
	g.Go(func() error { <-ctx.Done(); return ctx.Err() })
	g.Cancel(errors.New("shutting down"))
	fmt.Println(g.Wait())
	// Output: shutting down
}

func ExampleTaskError_Error() {
	err := &errgroup.TaskError{Path: "ingest/fetch", Err: errors.New("no such host")}
	fmt.Println(err)
	// Output: ingest/fetch: no such host
}

func ExampleTaskError_Unwrap() {
	var g errgroup.Group
	g.GoNamed("read", func() error { return io.ErrUnexpectedEOF })
	err := g.Wait()
	fmt.Println(err, errors.Is(err, io.ErrUnexpectedEOF))
	// Output: read: unexpected EOF true
}

func ExampleOptions() {
	disk := core.NewSemaphore(2) // which other groups use, too
	g, _ := errgroup.New(context.Background(), errgroup.Options{
		Name:      "thumbnails", // in errors, stuck reports and profiles
		Limit:     8,            // tasks at once
		Semaphore: disk,
		Panics:    core.Capture, // a panic is an error
		Collect:   true,         // of all tasks
		MaxErrors: 2,            // the first two, and how many more there were
	})
	for range 100 {
		g.Go(func() error { return errors.New("no space") })
	}
	fmt.Println(g.Wait())
	// Output: no space; no space; errgroup: 98 more errors dropped
}

// Ask a second server only when the first has not answered for a while.
func ExampleRaceOptions() {
	slow := func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	quick := func(context.Context) (string, error) { return "quick", nil }

	got, err := errgroup.Race(context.Background(),
		errgroup.RaceOptions[string]{Stagger: 5 * time.Millisecond}, slow, quick)
	fmt.Println(got, err)
	// Output: quick <nil>
}

// Do not ask the other servers when the first says that there is no such page.
func ExampleRaceOptions_permanent() {
	errNotFound := errors.New("not found")
	first := func(context.Context) (string, error) { return "", errNotFound }
	second := func(context.Context) (string, error) { panic("never called") }

	_, err := errgroup.Race(context.Background(), errgroup.RaceOptions[string]{
		Stagger:   time.Hour,
		Permanent: func(err error) bool { return errors.Is(err, errNotFound) },
	}, first, second)
	fmt.Println(err)
	// Output: not found
}
