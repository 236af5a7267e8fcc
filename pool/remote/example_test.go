package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/coterie-go/coterie/pool/remote"
)

// must ends an example that cannot go on.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// example returns an engine on a server of its own, and what ends both.
func example() (e *remote.Engine, end func()) {
	dir, err := os.MkdirTemp("", "example")
	must(err)
	e, err = remote.Embedded(dir)
	must(err)
	return e, func() {
		must(e.Close())
		must(os.RemoveAll(dir))
	}
}

var square = remote.NewTask("square-v1", func(_ context.Context, n int) (int, error) {
	if n < 0 {
		return 0, remote.Permanent(errors.New("negative"))
	}
	return n * n, nil
}, remote.TaskOptions{Lease: 10 * time.Second})

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	must(err)
	defer os.RemoveAll(dir)

	e, err := remote.Embedded(dir)
	must(err)
	defer e.Close()
	_, err = remote.Serve(ctx, e, square, remote.Options{Name: "host-7", Workers: 8})
	must(err)

	f, err := remote.Submit(ctx, e, square, 12)
	must(err)
	fmt.Println(f.Get())
	// Output: 144 <nil>
}

func ExampleNewTask() {
	fmt.Println(square.Name())
	// Output: square-v1
}

func ExampleMap() {
	ctx := context.Background()
	e, end := example()
	defer end()
	_, err := remote.Serve(ctx, e, square, remote.Options{Workers: 2})
	must(err)
	for n, err := range remote.Map(ctx, e, square, slices.Values([]int{1, 2, 3})) {
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 4 <nil>
	// 9 <nil>
}

func ExampleTrySubmit() {
	ctx := context.Background()
	e, end := example()
	defer end()
	narrow := remote.NewTask("narrow-v1", func(context.Context, int) (int, error) { return 0, nil }, remote.TaskOptions{Queue: 1})
	_, err := remote.TrySubmit(ctx, e, narrow, 1)
	fmt.Println(err)
	_, err = remote.TrySubmit(ctx, e, narrow, 2)
	fmt.Println(err)
	// Output:
	// <nil>
	// remote: queue full
}

func ExampleKey() {
	ctx := context.Background()
	e, end := example()
	defer end()
	now := remote.NewTask("now-v1", func(context.Context, string) (time.Time, error) { return time.Now(), nil }, remote.TaskOptions{})
	_, err := remote.Serve(ctx, e, now, remote.Options{})
	must(err)
	var times []time.Time
	for range 2 {
		f, err := remote.Submit(ctx, e, now, "", remote.Key("report of May"))
		must(err)
		t, err := f.Get()
		must(err)
		times = append(times, t)
	}
	fmt.Println(times[0].Equal(times[1]))
	// Output: true
}

func ExampleDetach() {
	e, end := example()
	defer end()
	_, err := remote.Serve(context.Background(), e, square, remote.Options{})
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	_, err = remote.Submit(ctx, e, square, 5, remote.Key("five"), remote.Detach())
	must(err)
	cancel() // the task goes on

	f, err := remote.Submit(context.Background(), e, square, 5, remote.Key("five"))
	must(err)
	fmt.Println(f.Get())
	// Output: 25 <nil>
}

func ExampleDead() {
	ctx := context.Background()
	e, end := example()
	defer end()
	w, err := remote.Serve(ctx, e, square, remote.Options{Name: "host-7", Workers: 1})
	must(err)
	f, err := remote.Submit(ctx, e, square, -1)
	must(err)
	_, err = f.Get()
	fmt.Println(err)
	must(w.Shutdown(ctx))

	for d, err := range remote.Dead(ctx, e, square) {
		must(err)
		fmt.Println(d.Workers, string(d.Input), d.Err)
		must(remote.Requeue(ctx, e, d.ID))
	}
	for range remote.Dead(ctx, e, square) {
		fmt.Println("not reached")
	}
	// Output:
	// remote: task square-v1 failed in attempt 1: negative
	// [host-7] -1 negative
}

func ExampleFenceOf() {
	ctx := context.Background()
	e, end := example()
	defer end()
	largest := uint64(0) // of a store
	write := remote.NewTask("write-v1", func(ctx context.Context, _ string) (string, error) {
		fence := remote.FenceOf(ctx)
		if fence <= largest {
			return "", errors.New("another attempt has written")
		}
		largest = fence
		if remote.Attempt(ctx) < 3 {
			return "", errors.New("not yet")
		}
		return fmt.Sprintf("attempt %d of %s", remote.Attempt(ctx), remote.KeyOf(ctx)), nil
	}, remote.TaskOptions{Backoff: func(int) time.Duration { return 0 }})
	_, err := remote.Serve(ctx, e, write, remote.Options{})
	must(err)
	f, err := remote.Submit(ctx, e, write, "", remote.Key("k"))
	must(err)
	fmt.Println(f.Get())
	// Output: attempt 3 of k <nil>
}

func ExampleEngine_Share() {
	ctx := context.Background()
	e, end := example()
	defer end()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	must(e.Share(l))

	// In another process:
	other, err := remote.Connect("nats://"+l.Addr().String(), nats.Timeout(10*time.Second))
	must(err)
	defer other.Close()
	_, err = remote.Serve(ctx, other, square, remote.Options{})
	must(err)

	f, err := remote.Submit(ctx, e, square, 7)
	must(err)
	fmt.Println(f.Get())
	// Output: 49 <nil>
}

func ExampleWorker_Shutdown() {
	ctx := context.Background()
	e, end := example()
	defer end()
	w, err := remote.Serve(ctx, e, square, remote.Options{Workers: 1})
	must(err)
	f, err := remote.Submit(ctx, e, square, 3)
	must(err)
	fmt.Println(f.Get())
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // what is not done by then is given back
	defer cancel()
	fmt.Println(w.Shutdown(ctx), w.Stats().Completed)
	// Output:
	// 9 <nil>
	// <nil> 1
}
