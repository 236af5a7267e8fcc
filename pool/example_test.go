package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

func ExampleFor() {
	squares := make([]int, 1000)
	err := pool.For(context.Background(), 0, len(squares), func(ctx context.Context, i int) error {
		squares[i] = i * i
		return nil
	})
	fmt.Println(squares[999], err)
	// Output: 998001 <nil>
}

func ExampleMapSlice() {
	words := []string{"every", "goroutine", "has", "an", "owner"}
	lengths, err := pool.MapSlice(context.Background(), 4, words,
		func(ctx context.Context, word string) (int, error) { return len(word), nil })
	fmt.Println(lengths, err)
	// Output: [5 9 3 2 5] <nil>
}

func ExampleEach() {
	var total atomic.Int64
	lines := strings.SplitSeq("3 4 5", " ")
	err := pool.Each(context.Background(), 2, lines, func(ctx context.Context, line string) error {
		var n int64
		if _, err := fmt.Sscan(line, &n); err != nil {
			return err
		}
		total.Add(n)
		return nil
	})
	fmt.Println(total.Load(), err)
	// Output: 12 <nil>
}

// Results come in the order of the input. Leaving the loop ends everything that it
// has started.
func ExampleMap() {
	var numbers iter.Seq[int] = func(yield func(int) bool) { // without end
		defer fmt.Println("the input has been stopped")
		for n := 1; yield(n); n++ {
		}
	}
	square := func(ctx context.Context, n int) (int, error) { return n * n, nil }
	for square, err := range pool.Map(context.Background(), 4, numbers, square) {
		if err != nil || square > 20 {
			break
		}
		fmt.Println(square)
	}
	// Output:
	// 1
	// 4
	// 9
	// 16
	// the input has been stopped
}

// An error comes after the results of the items before it, and ends the sequence.
func ExampleMap_error() {
	parse := func(ctx context.Context, s string) (n int, err error) {
		_, err = fmt.Sscan(s, &n)
		return n, err
	}
	for n, err := range pool.Map(context.Background(), 4, slices.Values([]string{"1", "x", "3"}), parse) {
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 0 expected integer
}

// Results come as they are finished.
func ExampleMapUnordered() {
	first := make(chan struct{})
	wait := func(ctx context.Context, name string) (string, error) {
		if name == "slow" {
			<-first
		}
		return name, nil
	}
	names := slices.Values([]string{"slow", "quick"})
	for name, err := range pool.MapUnordered(context.Background(), 2, names, wait) {
		fmt.Println(name, err)
		if name == "quick" {
			close(first)
		}
	}
	// Output:
	// quick <nil>
	// slow <nil>
}

func ExamplePool() {
	p := pool.New(4, pool.Options{Name: "mail", Queue: 100})
	var sent atomic.Int32
	for range 10 {
		p.Go(func() { sent.Add(1) }) // blocks while the queue is full
	}
	p.Wait()
	fmt.Println(sent.Load())
	p.Close()
	// Output: 10
}

// Nobody waits for a task of Go in particular, so its panic ends the process unless
// there is somebody to take it.
func ExampleNew() {
	p := pool.New(1, pool.Options{
		OnPanic: func(p *core.PanicError) { fmt.Println("caught:", p.Value) },
	})
	p.Go(func() { panic("one bad message") })
	p.Go(func() { fmt.Println("the worker goes on") })
	p.Close()
	// Output:
	// caught: one bad message
	// the worker goes on
}

func ExamplePool_TryGo() {
	p := pool.New(1, pool.Options{Queue: 1})
	started, gate := make(chan struct{}), make(chan struct{})
	p.Go(func() { close(started); <-gate })
	<-started
	fmt.Println(p.TryGo(func() {})) // waits in the queue
	fmt.Println(p.TryGo(func() {})) // which is full now
	close(gate)
	p.Close()
	// Output:
	// true
	// false
}

// GoContext waits for room until its context is done.
func ExamplePool_GoContext() {
	p := pool.New(1, pool.Options{Queue: 1})
	started, gate := make(chan struct{}), make(chan struct{})
	p.Go(func() { close(started); <-gate })
	<-started
	p.Go(func() {})

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(p.GoContext(ctx, func(ctx context.Context) { fmt.Println("not reached") }))
	close(gate)
	p.Close()
	fmt.Println(p.GoContext(context.Background(), func(ctx context.Context) {}))
	// Output:
	// context deadline exceeded
	// pool: closed
}

func ExamplePool_WaitContext() {
	p := pool.New(1, pool.Options{Name: "mail"})
	gate := make(chan struct{})
	p.Go(func() { <-gate })

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var stuck *group.StuckError
	fmt.Println(errors.As(p.WaitContext(ctx), &stuck), stuck.Running)
	close(gate)
	p.Close()
	// Output: true 1
}

func ExamplePool_SetWorkers() {
	p := pool.New(1, pool.Options{})
	both := make(chan struct{})
	p.Go(func() { both <- struct{}{} })
	p.Go(func() { <-both }) // has to run beside the other
	p.SetWorkers(2)
	p.Close()
	fmt.Println(p.Stats().Completed)
	// Output: 2
}

// Shutdown has patience until its context is done.
func ExamplePool_Shutdown() {
	p := pool.New(1, pool.Options{Name: "mail"})
	started, gate := make(chan struct{}), make(chan struct{})
	p.Go(func() { close(started); <-gate })
	<-started
	p.Go(func() { fmt.Println("is dropped") })

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var stuck *group.StuckError
	if errors.As(p.Shutdown(ctx), &stuck) {
		fmt.Println(stuck.Running, "stuck,", p.Stats().Dropped, "dropped")
	}
	close(gate)
	fmt.Println(p.Shutdown(context.Background())) // goes on waiting
	// Output:
	// 1 stuck, 1 dropped
	// <nil>
}

func ExamplePool_Stats() {
	p := pool.New(2, pool.Options{})
	for range 3 {
		p.Go(func() {})
	}
	p.Close()
	s := p.Stats()
	fmt.Println(s.Submitted, s.Completed, s.Dropped, s.Workers)
	// Output: 3 3 0 0
}

// A batch waits for its own tasks, and raises their panics.
func ExamplePool_Batch() {
	p := pool.New(4, pool.Options{})
	defer p.Close()
	b := p.Batch(context.Background())
	squares := make([]int, 5)
	for i := range squares {
		b.Go(func() { squares[i] = i * i })
	}
	b.Wait()
	fmt.Println(squares)
	// Output: [0 1 4 9 16]
}

// A task may wait for tasks of its own pool, to any depth on a single worker, if it
// starts them with the context that it was given.
func ExampleBatch() {
	p := pool.New(1, pool.Options{})
	defer p.Close()
	var fibonacci func(ctx context.Context, n int) int
	fibonacci = func(ctx context.Context, n int) int {
		if n < 2 {
			return n
		}
		var a, b int
		batch := p.Batch(ctx)
		err := batch.GoContext(ctx, func(ctx context.Context) { a = fibonacci(ctx, n-1) })
		if err == nil {
			err = batch.GoContext(ctx, func(ctx context.Context) { b = fibonacci(ctx, n-2) })
		}
		batch.Wait() // runs what no worker has begun
		if err != nil || batch.Err() != nil {
			return 0 // ctx is done
		}
		return a + b
	}
	fmt.Println(fibonacci(context.Background(), 10))
	// Output: 55
}

func ExampleBatch_TryGo() {
	p := pool.New(1, pool.Options{})
	b := p.Batch(context.Background())
	fmt.Println(b.TryGo(func() {}))
	b.Wait()
	p.Close()
	fmt.Println(b.TryGo(func() {}))
	// Output:
	// true
	// false
}

func ExampleBatch_WaitContext() {
	p := pool.New(2, pool.Options{})
	defer p.Close()
	b := p.Batch(context.Background())
	gate := make(chan struct{})
	b.Go(func() { <-gate })

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(errors.Is(b.WaitContext(ctx), context.DeadlineExceeded))
	close(gate)
	fmt.Println(b.WaitContext(context.Background()))
	// Output:
	// true
	// <nil>
}

func ExampleSubmit() {
	ctx := context.Background()
	p := pool.New(2, pool.Options{})
	defer p.Close()
	var mu sync.Mutex
	visits := 0
	length := func(word string) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			visits++
			return len(word), nil
		}
	}
	every, err := pool.Submit(ctx, p, length("every"))
	if err != nil {
		return // ctx is done, or the pool is closed
	}
	owner, err := pool.Submit(ctx, p, length("owner"))
	if err != nil {
		return
	}
	a, _ := every.Get()
	b, _ := owner.Get()
	fmt.Println(a+b, visits)
	// Output: 10 2
}
