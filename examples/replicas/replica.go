package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coterie-go/coterie/errgroup"
)

// A replica reads the value of a key.
type replica func(ctx context.Context, key string) (string, error)

// overHTTP returns a replica that reads from a server.
func overHTTP(client *http.Client, base string) replica {
	return func(ctx context.Context, key string) (string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/"+url.PathEscape(key), nil)
		if err != nil {
			return "", err
		}
		response, err := client.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return "", err
		}
		if response.StatusCode != http.StatusOK {
			return "", fmt.Errorf("%s: %s", base, response.Status)
		}
		return string(body), nil
	}
}

// hedged asks the replicas one after another, and returns the first answer. It asks the next
// replica when the one before fails, or has not answered within delay.
func hedged(delay time.Duration, replicas ...replica) replica {
	return func(ctx context.Context, key string) (string, error) {
		return errgroup.Race(ctx, errgroup.RaceOptions[string]{Stagger: delay}, ask(replicas, key)...)
	}
}

// quorum asks all replicas at once, and returns the value of the first n answers. If these differ,
// it returns an error.
func quorum(n int, replicas ...replica) replica {
	return func(ctx context.Context, key string) (string, error) {
		values, err := errgroup.Quorum(ctx, n, errgroup.RaceOptions[string]{}, ask(replicas, key)...)
		if err != nil {
			return "", err
		}
		for _, v := range values[1:] {
			if v != values[0] {
				return "", fmt.Errorf("the replicas disagree about %s: %q and %q", key, values[0], v)
			}
		}
		return values[0], nil
	}
}

func ask(replicas []replica, key string) []func(context.Context) (string, error) {
	asks := make([]func(context.Context) (string, error), len(replicas))
	for i, r := range replicas {
		asks[i] = func(ctx context.Context) (string, error) { return r(ctx, key) }
	}
	return asks
}

// flaky is a server that is mostly quick, sometimes slow, and fails at times.
type flaky struct {
	mu     sync.Mutex
	random *rand.Rand // guarded by mu
}

func newFlaky(seed uint64) *flaky { return &flaky{random: rand.New(rand.NewPCG(seed, 0))} }

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	latency := time.Duration(2+f.random.IntN(8)) * time.Millisecond
	slow, fails := f.random.IntN(20) == 0, f.random.IntN(50) == 0
	f.mu.Unlock()
	if slow {
		latency = 100 * time.Millisecond
	}
	select {
	case <-time.After(latency):
	case <-r.Context().Done(): // the client has cancelled the request
		return
	}
	if fails {
		http.Error(w, "out of order", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprint(w, "value of ", r.URL.Path[1:])
}
