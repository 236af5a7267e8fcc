package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

func ExampleNew() {
	p := pool.New(4, pool.Options{
		Name:    "thumbnails",
		OnPanic: func(p *core.PanicError) { fmt.Println("a task panicked:", p.Value) },
	})
	p.Go(func() { panic("not a picture") })
	p.Close()
	// Output: a task panicked: not a picture
}

func ExamplePool_Go() {
	p := pool.New(4, pool.Options{})
	var sum atomic.Int64
	for i := range int64(1000) {
		p.Go(func() { sum.Add(i) })
	}
	p.Close()
	fmt.Println(sum.Load())
	// Output: 499500
}

func ExamplePool_TryGo() {
	p := pool.New(1, pool.Options{Queue: 1})
	release := make(chan struct{})
	started := make(chan struct{})
	p.Go(func() { close(started); <-release })
	<-started
	for range 3 { // what does not fit is shed
		fmt.Println(p.TryGo(func() {}))
	}
	close(release)
	p.Close()
	// Output:
	// true
	// false
	// false
}

func ExamplePool_GoContext() {
	p := pool.New(1, pool.Options{Queue: 1})
	defer p.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	started := make(chan struct{})
	err := p.GoContext(ctx, func(ctx context.Context) {
		close(started)
		<-ctx.Done()
		fmt.Println("task:", context.Cause(ctx))
	})
	fmt.Println(err)
	<-started
	cancel(errors.New("the client has gone"))
	p.Wait()
	err = p.GoContext(ctx, func(context.Context) { fmt.Println("never printed") })
	fmt.Println(err)
	// Output:
	// <nil>
	// task: the client has gone
	// the client has gone
}

func ExamplePool_Wait() {
	p := pool.New(2, pool.Options{})
	defer p.Close()
	var lines atomic.Int32
	for round := range 2 {
		for range 10 {
			p.Go(func() { lines.Add(1) })
		}
		p.Wait()
		fmt.Println("after round", round, lines.Load())
	}
	// Output:
	// after round 0 10
	// after round 1 20
}

func ExamplePool_WaitContext() {
	p := pool.New(1, pool.Options{Name: "mail"})
	release := make(chan struct{})
	p.Go(func() { <-release })
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	err := p.WaitContext(ctx)
	var stuck *core.StuckError
	if errors.As(err, &stuck) {
		fmt.Println(stuck.Running, "running in", stuck.Owner)
	}
	close(release)
	fmt.Println(p.WaitContext(context.Background()))
	p.Close()
	// Output:
	// 1 running in mail
	// <nil>
}

func ExamplePool_Batch() {
	p := pool.New(2, pool.Options{})
	defer p.Close()

	// A task may wait for tasks of its own pool: it runs them meanwhile.
	var count func(ctx context.Context, depth int) int64
	count = func(ctx context.Context, depth int) int64 {
		if depth == 0 {
			return 1
		}
		var leaves atomic.Int64
		b := p.Batch(ctx)
		for range 3 {
			_ = b.GoContext(ctx, func(ctx context.Context) { leaves.Add(count(ctx, depth-1)) })
		}
		b.Wait()
		return leaves.Load()
	}
	fmt.Println(count(context.Background(), 6))
	// Output: 729
}

func ExamplePool_SetWorkers() {
	p := pool.New(8, pool.Options{})
	var now, most atomic.Int32
	task := func() {
		most.Store(max(most.Load(), now.Add(1)))
		runtime.Gosched()
		now.Add(-1)
	}
	p.SetWorkers(1) // by night
	for range 20 {
		p.Go(task)
	}
	p.Wait()
	fmt.Println(most.Load(), "at once")
	p.SetWorkers(8)
	p.Close()
	// Output: 1 at once
}

func ExamplePool_Stats() {
	p := pool.New(2, pool.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	release := make(chan struct{})
	for range 2 {
		p.Go(func() { <-release })
	}
	_ = p.GoContext(ctx, func(context.Context) { fmt.Println("never printed") })
	fmt.Println("queued:", p.Stats().Submitted-p.Stats().Completed)
	cancel() // before its turn
	close(release)
	p.Close()
	fmt.Printf("%+v\n", p.Stats())
	// Output:
	// queued: 3
	// {Workers:0 Busy:0 Queued:0 Submitted:3 Completed:2 Panicked:0 Dropped:1}
}

func ExamplePool_Close() {
	p := pool.New(2, pool.Options{})
	for range 100 {
		p.Go(func() {})
	}
	p.Close()
	fmt.Println(p.Stats().Completed, p.Stats().Workers)
	fmt.Println(p.GoContext(context.Background(), func(context.Context) {}))
	// Output:
	// 100 0
	// pool: closed
}

func ExamplePool_Shutdown() {
	p := pool.New(1, pool.Options{Name: "mail"})
	release := make(chan struct{})
	p.Go(func() { <-release })
	queued, _ := pool.Submit(context.Background(), p, func(context.Context) (string, error) { return "sent", nil })

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var stuck *core.StuckError
	if err := p.Shutdown(ctx); errors.As(err, &stuck) {
		fmt.Println("still running:", stuck.Running)
	}
	_, err := queued.Get()
	fmt.Println("queued task:", err)

	close(release)
	fmt.Println(p.Shutdown(context.Background()))
	// Output:
	// still running: 1
	// queued task: pool: closed
	// <nil>
}

func ExampleBatch_Go() {
	p := pool.New(4, pool.Options{})
	defer p.Close()
	squares := make([]int, 5)
	b := p.Batch(context.Background())
	for i := range squares {
		b.Go(func() { squares[i] = i * i })
	}
	b.Wait()
	fmt.Println(squares)
	// Output: [0 1 4 9 16]
}

func ExampleBatch_TryGo() {
	p := pool.New(2, pool.Options{})
	defer p.Close()
	b := p.Batch(context.Background())
	var helped atomic.Bool
	if !b.TryGo(func() { helped.Store(true) }) {
		fmt.Println("the pool is busy: do it alone")
	}
	b.Wait()
	fmt.Println(helped.Load())
	// Output: true
}

func ExampleBatch_GoContext() {
	p := pool.New(2, pool.Options{})
	defer p.Close()
	ctx, cancel := context.WithCancel(context.Background())
	b := p.Batch(ctx)
	for range 2 {
		_ = b.GoContext(ctx, func(ctx context.Context) { <-ctx.Done() })
	}
	cancel()
	b.Wait()
	fmt.Println(b.GoContext(ctx, func(context.Context) {}))
	// Output: context canceled
}

func ExampleBatch_Wait() {
	p := pool.New(2, pool.Options{})
	defer p.Close()
	b := p.Batch(context.Background())
	b.Go(func() { panic("no such page") })
	defer func() {
		var p *core.PanicError
		if errors.As(recover().(error), &p) {
			fmt.Println("raised by Wait:", p.Value)
		}
	}()
	b.Wait()
	// Output: raised by Wait: no such page
}

func ExampleBatch_WaitContext() {
	p := pool.New(1, pool.Options{})
	defer p.Close()
	b := p.Batch(context.Background())
	release := make(chan struct{})
	b.Go(func() { <-release })
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(b.WaitContext(ctx))
	close(release)
	fmt.Println(b.WaitContext(context.Background()))
	// Output:
	// batch of pool: 1 running: context deadline exceeded
	// <nil>
}

func ExampleBatch_Err() {
	p := pool.New(1, pool.Options{})
	defer p.Close()
	b := p.Batch(context.Background())
	ctx, cancel := context.WithCancelCause(context.Background())
	both := make(chan struct{})
	b.Go(func() {
		<-both
		cancel(errors.New("first come, first served"))
	})
	_ = b.GoContext(ctx, func(context.Context) { fmt.Println("never printed") })
	close(both)
	b.Wait()
	fmt.Println(b.Err())
	// Output: first come, first served
}

func ExampleSubmit() {
	p := pool.New(4, pool.Options{})
	defer p.Close()
	length := func(word string) *core.Future[int] {
		f, err := pool.Submit(context.Background(), p, func(context.Context) (int, error) { return len(word), nil })
		if err != nil {
			panic(err) // the pool is closed
		}
		return f
	}
	a, b := length("bounded"), length("workers")
	x, _ := a.Get()
	y, _ := b.Get()
	fmt.Println(x + y)
	// Output: 14
}
