package remote_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/pool"
	"github.com/coterie-go/coterie/pool/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type (
	image string
	thumb string
)

var errFormat = errors.New("no such format")

func shrink(_ context.Context, img image, width int) (thumb, error) {
	if img == "" {
		return "", remote.Permanent(errFormat)
	}
	return thumb(fmt.Sprintf("%s at %d", img, width)), nil
}

func TestPool(t *testing.T) {
	ctx, img := t.Context(), image("cat")
	// snippet: a closure in a pool
	p := pool.New(8, pool.Options{Name: "resize"})
	defer p.Close()
	f, err := pool.Submit(ctx, p, func(ctx context.Context) (thumb, error) {
		return shrink(ctx, img, 200)
	})
	// end snippet
	require.NoError(t, err)
	got, err := f.Get()
	require.NoError(t, err)
	require.Equal(t, thumb("cat at 200"), got)
}

// snippet: a closure becomes a task
type resizing struct {
	Image image
	Width int
}

var resize = remote.NewTask("resize-v1", func(ctx context.Context, in resizing) (thumb, error) {
	return shrink(ctx, in.Image, in.Width)
}, remote.TaskOptions{Lease: 30 * time.Second, Attempts: 5})

// end snippet

func TestRemote(t *testing.T) {
	ctx, img, dir := t.Context(), image("cat"), t.TempDir()
	// snippet: an engine and a worker
	e, err := remote.Embedded(dir) // or remote.Connect("nats://...")
	require.NoError(t, err)
	defer e.Close()
	w, err := remote.Serve(ctx, e, resize, remote.Options{Name: "host-7", Workers: 8})
	require.NoError(t, err)

	f, err := remote.Submit(ctx, e, resize, resizing{img, 200})
	require.NoError(t, err)
	thumb, err := f.Get()
	// end snippet
	require.NoError(t, err)
	require.EqualValues(t, "cat at 200", thumb)
	require.NoError(t, w.Shutdown(ctx))
}

func printAll(ctx context.Context, e *remote.Engine, in iter.Seq[resizing]) error {
	// snippet: a loop over a fleet
	for thumb, err := range remote.Map(ctx, e, resize, in) {
		if err != nil {
			return err
		}
		fmt.Println(thumb)
	}
	// end snippet
	return nil
}

func requeueAll(ctx context.Context, e *remote.Engine) error {
	// snippet: dead letters
	for letter, err := range remote.Dead(ctx, e, resize) {
		if err != nil {
			return err
		}
		fmt.Println(letter)
		if err := remote.Requeue(ctx, e, letter.ID); err != nil {
			return err
		}
	}
	// end snippet
	return nil
}

// served returns an engine with a worker, and what ends both.
func served() (*remote.Engine, *remote.Worker, func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	e, err := remote.Embedded(dir)
	if err != nil {
		panic(err)
	}
	w, err := remote.Serve(context.Background(), e, resize, remote.Options{Workers: 2})
	if err != nil {
		panic(err)
	}
	return e, w, func() {
		e.Close()
		os.RemoveAll(dir)
	}
}

func Example_map() {
	e, _, end := served()
	defer end()
	fmt.Println(printAll(context.Background(), e, slices.Values([]resizing{{"a", 10}, {"b", 20}})))
	// Output:
	// a at 10
	// b at 20
	// <nil>
}

func Example_dead() {
	e, w, end := served()
	defer end()
	f, err := remote.Submit(context.Background(), e, resize, resizing{"", 10})
	if err != nil {
		panic(err)
	}
	f.Get()
	w.Shutdown(context.Background())
	if err := requeueAll(context.Background(), e); err != nil {
		panic(err)
	}
	// Output:
	// remote: task resize-v1 failed in attempt 1: no such format
}

type (
	order   struct{ Cents int }
	receipt int
)

// A ledger charges once for each key.
type ledger struct {
	mu       sync.Mutex
	receipts map[string]receipt
}

func (l *ledger) charge(o order, key string) (receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.receipts[key]
	if !ok {
		r = receipt(len(l.receipts) + 1)
		l.receipts[key] = r
		return 0, errors.New("charged, and then the connection broke")
	}
	return r, nil
}

// A register keeps one value.
type register struct {
	mu    sync.Mutex
	page  string
	fence uint64
}

func (r *register) put(page string, fence uint64) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fence <= r.fence {
		return false, nil
	}
	r.page, r.fence = page, fence
	return true, nil
}

func TestEffects(t *testing.T) {
	bank, shelf := &ledger{receipts: make(map[string]receipt)}, new(register)
	// snippet: an effect with a key
	charge := remote.NewTask("charge-v1", func(ctx context.Context, o order) (receipt, error) {
		return bank.charge(o, remote.KeyOf(ctx)) // a second charge with this key returns the first one's receipt
	}, remote.TaskOptions{})
	// end snippet
	// snippet: an effect with a fence
	publish := remote.NewTask("publish-v1", func(ctx context.Context, page string) (bool, error) {
		return shelf.put(page, remote.FenceOf(ctx)) // refuses a smaller fence than the last
	}, remote.TaskOptions{})
	// end snippet
	e, err := remote.Embedded(t.TempDir())
	require.NoError(t, err)
	defer e.Close()
	_, err = remote.Serve(t.Context(), e, charge, remote.Options{})
	require.NoError(t, err)
	_, err = remote.Serve(t.Context(), e, publish, remote.Options{})
	require.NoError(t, err)
	charged, err := remote.Submit(t.Context(), e, charge, order{100})
	require.NoError(t, err)
	r, err := charged.Get()
	require.NoError(t, err)
	require.EqualValues(t, 1, r)
	require.Len(t, bank.receipts, 1)
	published, err := remote.Submit(t.Context(), e, publish, "news")
	require.NoError(t, err)
	ok, err := published.Get()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "news", shelf.page)
}
