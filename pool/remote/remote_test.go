package remote_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/pool/remote"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(asRole); role != "" {
		child(role)
		return
	}
	goleak.VerifyTestMain(m)
}

// open returns an engine on a server of its own, which ends with the test.
func open(t *testing.T) *remote.Engine { return openIn(t, t.TempDir()) }

func openIn(t *testing.T, dir string) *remote.Engine {
	e, err := remote.Embedded(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// share returns the address at which others can reach e's server.
func share(t *testing.T, e *remote.Engine) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, e.Share(l))
	return "nats://" + l.Addr().String()
}

// patient gives a busy machine time to connect.
var patient = nats.Timeout(30 * time.Second)

// join returns a further engine on the server at url.
func join(t *testing.T, url string) *remote.Engine {
	e, err := remote.Connect(url, patient)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// serve starts a worker that ends with the test, before its engine.
func serve[In, Out any](t *testing.T, e *remote.Engine, task *remote.Task[In, Out], name string, workers int) *remote.Worker {
	w, err := remote.Serve(t.Context(), e, task, remote.Options{Name: name, Workers: workers})
	require.NoError(t, err)
	return w
}

// inspect returns an operator's view of the server of e, by the ordinary client.
func inspect(t *testing.T, e *remote.Engine) jetstream.JetStream {
	conn, err := nats.Connect(share(t, e), patient)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return js
}

// messages returns how many messages a stream has.
func messages(t *testing.T, js jetstream.JetStream, stream string) int {
	s, err := js.Stream(t.Context(), stream)
	require.NoError(t, err)
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	return int(info.State.Msgs)
}

// eventually waits until holds is true.
func eventually(t *testing.T, holds func() bool, what string) {
	t.Helper()
	require.Eventually(t, holds, 30*time.Second, 5*time.Millisecond, what)
}

// within returns a context that ends the test's patience.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// soon is a Backoff for tests.
func soon(int) time.Duration { return 20 * time.Millisecond }

// A gate is a task that blocks until it is opened or its context ends.
type gate struct {
	begun chan int   // the argument of each attempt that has begun
	ended chan error // the cause with which an attempt's context ended
	open  chan struct{}
	once  sync.Once
}

func newGate() *gate {
	return &gate{begun: make(chan int, 1000), ended: make(chan error, 1000), open: make(chan struct{})}
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

func (g *gate) run(ctx context.Context, n int) (int, error) {
	g.begun <- n
	select {
	case <-g.open:
		return 2 * n, nil
	case <-ctx.Done():
		g.ended <- context.Cause(ctx)
		return 0, context.Cause(ctx)
	}
}

// get receives from c, with some patience.
func get[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		require.FailNow(t, "nothing came")
		panic("not reached")
	}
}

// A journal is a file to which attempts in several processes append lines.
type journal string

func newJournal(t *testing.T) journal { return journal(filepath.Join(t.TempDir(), "journal")) }

func (j journal) write(format string, args ...any) {
	file, err := os.OpenFile(string(j), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		defer file.Close()
		_, err = fmt.Fprintf(file, format+"\n", args...)
	}
	if err != nil {
		panic(err)
	}
}

func (j journal) lines() []string {
	text, err := os.ReadFile(string(j))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// count returns how many lines begin with prefix.
func (j journal) count(prefix string) (n int) {
	for _, line := range j.lines() {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func ints(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}
