package remote_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool/remote"
)

// A proxy passes connections on until it is cut. Then it passes nothing, in
// silence, until it is mended.
type proxy struct {
	l      net.Listener
	target string
	mu     sync.Mutex
	mended chan struct{} // closed while it is not cut
	conns  []net.Conn
	all    sync.WaitGroup
}

func newProxy(t *testing.T, url string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{l: l, target: strings.TrimPrefix(url, "nats://"), mended: make(chan struct{})}
	close(p.mended)
	p.all.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.mend()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.all.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.l.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			near.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, near, far)
		p.mu.Unlock()
		for _, c := range []struct{ to, from net.Conn }{{near, far}, {far, near}} {
			p.all.Go(func() {
				defer c.to.Close()
				defer c.from.Close()
				buffer := make([]byte, 32<<10)
				for {
					n, err := c.from.Read(buffer)
					p.mu.Lock()
					mended := p.mended
					p.mu.Unlock()
					<-mended
					if _, failed := c.to.Write(buffer[:n]); failed != nil || err != nil {
						return
					}
				}
			})
		}
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mended = make(chan struct{})
}

func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.mended:
	default:
		close(p.mended)
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	t.Run("a worker that is cut off learns by its own clock that its lease is lost, and its result is refused", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		url := share(t, e)
		p := newProxy(t, url)
		lost := make(chan error, 1)
		begun := make(chan bool, 1)
		const lease = 2 * time.Second
		task := remote.NewTask("cut", func(ctx context.Context, n int) (int, error) {
			if remote.Attempt(ctx) > 1 {
				return 2 * n, nil
			}
			begun <- true
			<-ctx.Done()
			lost <- context.Cause(ctx)
			return -1, nil // nobody must get this
		}, remote.TaskOptions{Lease: lease})
		serve(t, join(t, p.url()), task, "far", 1)
		f, err := remote.Submit(t.Context(), e, task, 5)
		require.NoError(t, err)
		get(t, begun)
		p.cut()
		cut := time.Now()
		require.Equal(t, remote.ErrLeaseLost, get(t, lost))
		require.Less(t, time.Since(cut), lease+500*time.Millisecond)
		serve(t, e, task, "near", 1)
		n, err := f.GetContext(within(t, 10*time.Second))
		require.NoError(t, err)
		require.Equal(t, 10, n)
		p.mend()
	})

	t.Run("a short cut costs nothing", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		p := newProxy(t, share(t, e))
		g := newGate()
		task := remote.NewTask("short", g.run, remote.TaskOptions{Lease: 6 * time.Second, Attempts: 1})
		far := join(t, p.url())
		serve(t, far, task, "far", 1)
		f, err := remote.Submit(t.Context(), far, task, 5)
		require.NoError(t, err)
		get(t, g.begun)
		p.cut()
		time.Sleep(time.Second)
		g.release()
		time.Sleep(time.Second)
		p.mend()
		n, err := f.GetContext(within(t, 20*time.Second))
		require.NoError(t, err)
		require.Equal(t, 10, n)
	})

	t.Run("what blocks while the server cannot be reached ends with its context", func(t *testing.T) {
		t.Parallel()
		e := open(t)
		p := newProxy(t, share(t, e))
		far := join(t, p.url())
		task := remote.NewTask("blocked", func(context.Context, int) (int, error) { return 0, nil }, remote.TaskOptions{})
		f, err := remote.Submit(t.Context(), far, task, 1)
		require.NoError(t, err)
		p.cut()
		why := errors.New("why")
		for name, call := range map[string]func(ctx context.Context) error{
			"Submit": func(ctx context.Context) error { _, err := remote.Submit(ctx, far, task, 1); return err },
			"Serve": func(ctx context.Context) error {
				_, err := remote.Serve(ctx, far, task, remote.Options{})
				return err
			},
			"Requeue":    func(ctx context.Context) error { return remote.Requeue(ctx, far, "x") },
			"GetContext": func(ctx context.Context) error { _, err := f.GetContext(ctx); return err },
			"Dead": func(ctx context.Context) (failed error) {
				for _, err := range remote.Dead(ctx, far, task) {
					failed = err
				}
				return failed
			},
		} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, why)
			started := time.Now()
			require.Equal(t, why, call(ctx), name)
			require.Less(t, time.Since(started), answerLimit, name)
			cancel()
		}
		p.mend()
	})
}

// answerLimit is how long a call may go on trying to take back what it did.
const answerLimit = 5 * time.Second

func TestDisk(t *testing.T) {
	t.Parallel()
	t.Run("when the disk's quota is full Submit returns an error, and what was accepted is not lost", func(t *testing.T) {
		t.Parallel()
		e, err := remote.EmbeddedWithStore(t.TempDir(), 4<<20)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		task := remote.NewTask("disk", func(_ context.Context, s string) (int, error) { return len(s), nil },
			remote.TaskOptions{Lease: time.Second, Keep: time.Second})
		large := strings.Repeat("x", 100_000)
		type getter interface{ Get() (int, error) }
		var futures []getter
		some, cancel := context.WithCancel(t.Context())
		for i := 0; ; i++ {
			ctx := t.Context()
			if i < 5 {
				ctx = some
			}
			f, err := remote.Submit(ctx, e, task, large)
			if err != nil {
				require.ErrorContains(t, err, "remote: submit disk: ")
				require.ErrorContains(t, err, "resource")
				break
			}
			futures = append(futures, f)
			require.Less(t, i, 1000)
		}
		require.Greater(t, len(futures), 10)
		cancel() // which makes room
		for i, f := range futures[:5] {
			_, err := f.Get()
			require.Equal(t, context.Canceled, err, i)
		}
		serve(t, e, task, "w", 2)
		for i, f := range futures[5:] {
			n, err := f.Get()
			require.NoError(t, err, i)
			require.Equal(t, len(large), n)
		}
		_, err = remote.Submit(t.Context(), e, task, large)
		require.NoError(t, err)
	})
}
