package core_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
)

// Programs use group.Group, which counts for them. This is what it does.
func ExampleWaitGroup() {
	var wg core.WaitGroup
	squares := make([]int, 4)
	for i := range squares {
		wg.Add(1) // before the goroutine starts, or Wait may miss it
		go func() {
			defer wg.Done()
			squares[i] = i * i
		}()
	}
	wg.Wait()
	fmt.Println(squares)
	// Output: [0 1 4 9]
}

func ExampleWaitGroup_Add() {
	var wg core.WaitGroup
	wg.Add(2) // two tasks begin
	wg.Add(-2)
	wg.Wait()

	defer func() { fmt.Println("panics:", recover()) }()
	wg.Add(-1)
	// Output: panics: core: negative WaitGroup counter
}

func ExampleWaitGroup_Done() {
	var wg core.WaitGroup
	wg.Add(1)
	fmt.Println(wg.Count())
	wg.Done()
	fmt.Println(wg.Count())
	// Output:
	// 1
	// 0
}

// The next round may begin before the waiters of this one have returned.
func ExampleWaitGroup_Wait() {
	var wg core.WaitGroup
	var waiters sync.WaitGroup
	for range 3 {
		wg.Add(1)
		waiters.Go(wg.Wait)
		wg.Done()
	}
	waiters.Wait()
	fmt.Println("all three rounds are over")
	// Output: all three rounds are over
}

func ExampleWaitGroup_WaitContext() {
	var wg core.WaitGroup
	wg.Add(1) // a task that is stuck

	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Millisecond, errors.New("shutdown took too long"))
	defer cancel()
	fmt.Println(wg.WaitContext(ctx))

	wg.Done()
	fmt.Println(wg.WaitContext(ctx)) // zero is zero, also with ctx done
	// Output:
	// shutdown took too long
	// <nil>
}

func ExampleWaitGroup_HasWaiters() {
	var jobs core.WaitGroup
	jobs.Add(1)
	fmt.Println(jobs.HasWaiters())
	ended := make(chan struct{})
	go func() {
		jobs.Wait()
		close(ended)
	}()
	for !jobs.HasWaiters() { // a goroutine that has been started need not run yet
		runtime.Gosched()
	}
	jobs.Done()
	<-ended
	fmt.Println(jobs.HasWaiters())
	// Output:
	// false
	// false
}

func ExampleWaitGroup_Count() {
	var wg core.WaitGroup
	wg.Add(3)
	wg.Done()
	fmt.Println(wg.Count(), "tasks run")
	// Output: 2 tasks run
}

// At most two goroutines work at any instant.
func ExampleSemaphore() {
	s := core.NewSemaphore(2)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := s.Acquire(context.Background(), 1); err != nil {
				return
			}
			defer s.Release(1)
			if s.InUse() > 2 {
				fmt.Println("never printed")
			}
		})
	}
	all.Wait()
	fmt.Println(s.InUse(), "in use")
	// Output: 0 in use
}

func ExampleNewSemaphore() {
	s := core.NewSemaphore(64 << 20) // bytes of memory, say
	fmt.Println(s.TryAcquire(60<<20), s.TryAcquire(60<<20))
	// Output: true false
}

func ExampleSemaphore_Acquire() {
	s := core.NewSemaphore(3)
	fmt.Println(s.Acquire(context.Background(), 2))

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(s.Acquire(ctx, 2))
	fmt.Println(s.Acquire(context.Background(), 4))
	// Output:
	// <nil>
	// context deadline exceeded
	// core: weight above the semaphore's limit
}

func ExampleSemaphore_TryAcquire() {
	s := core.NewSemaphore(1)
	fmt.Println(s.TryAcquire(1))
	fmt.Println(s.TryAcquire(1))
	// Output:
	// true
	// false
}

func ExampleSemaphore_Release() {
	s := core.NewSemaphore(1)
	s.TryAcquire(1)
	s.Release(1)

	defer func() { fmt.Println("panics:", recover()) }()
	s.Release(1)
	// Output: panics: core: release of more permits than are in use, got 1
}

func ExampleSemaphore_SetLimit() {
	s := core.NewSemaphore(4)
	s.TryAcquire(4)
	s.SetLimit(2) // the holders may finish
	fmt.Println(s.InUse(), "of", s.Limit())
	s.Release(3)
	fmt.Println(s.InUse(), "of", s.Limit(), s.TryAcquire(1))
	// Output:
	// 4 of 2
	// 1 of 2 true
}

func ExampleSemaphore_Limit() {
	fmt.Println(core.NewSemaphore(8).Limit())
	// Output: 8
}

func ExampleSemaphore_InUse() {
	s := core.NewSemaphore(8)
	s.TryAcquire(3)
	fmt.Println(s.InUse())
	// Output: 3
}

func ExampleSemaphore_Waiting() {
	s := core.NewSemaphore(1)
	s.TryAcquire(1)
	got := make(chan error)
	go func() { got <- s.Acquire(context.Background(), 1) }()
	for s.Waiting() == 0 {
		runtime.Gosched()
	}
	s.Release(1)
	fmt.Println(<-got, s.Waiting())
	// Output: <nil> 0
}

func ExampleErrWeight() {
	err := core.NewSemaphore(1).Acquire(context.Background(), 2)
	fmt.Println(errors.Is(err, core.ErrWeight))
	// Output: true
}

func ExampleCall() {
	for _, f := range []func(){
		func() {},
		func() { panic("boom") },
	} {
		outcome := "returned"
		core.Call(f, func(p *core.PanicError) {
			if p == nil {
				outcome = "called runtime.Goexit"
			} else {
				outcome = fmt.Sprint("panicked with ", p.Value)
			}
		})
		fmt.Println(outcome)
	}
	// Output:
	// returned
	// panicked with boom
}

// What has happened in another goroutine can be told from the error.
func ExamplePanicError() {
	caught := make(chan *core.PanicError)
	go core.Call(func() { panic(fmt.Errorf("cannot go on: %w", fs.ErrNotExist)) },
		func(p *core.PanicError) { caught <- p })

	var err error = <-caught
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output: true
}

func ExamplePanicError_Error() {
	p := &core.PanicError{Value: "boom", Task: "ingest/fetch", Stack: []byte("goroutine 7 [running]:\n...")}
	fmt.Println(p)
	p.Others = append(p.Others, &core.PanicError{Value: "bang"})
	fmt.Println(p)
	// Output:
	// panic in ingest/fetch: boom
	// panic in ingest/fetch: boom (and 1 more)
}

func ExamplePanicError_Format() {
	p := &core.PanicError{Value: "boom", Task: "ingest/fetch", Stack: []byte("goroutine 7 [running]:\n...")}
	p.Others = append(p.Others, &core.PanicError{Value: "bang", Stack: []byte("goroutine 8 [running]:\n...")})
	fmt.Printf("%+v\n", p)
	// Output:
	// panic in ingest/fetch: boom
	//
	// goroutine 7 [running]:
	// ...
	//
	// another panic (1 of 1): bang
	//
	// goroutine 8 [running]:
	// ...
}

// A panic that was returned as an error can be raised again.
func ExamplePanicError_Raise() {
	defer func() {
		p := recover().(*core.PanicError)
		fmt.Println(p.Value)
	}()
	err := error(&core.PanicError{Value: "boom"})
	var p *core.PanicError
	if errors.As(err, &p) {
		p.Raise()
	}
	// Output: boom
}

func ExamplePanicError_Unwrap() {
	fmt.Println(errors.Unwrap(&core.PanicError{Value: fs.ErrClosed}))
	fmt.Println(errors.Unwrap(&core.PanicError{Value: "no error"}))
	// Output:
	// file already closed
	// <nil>
}

func ExampleErrGoexit() {
	var err error
	done := make(chan bool)
	go func() {
		defer close(done)
		core.Call(runtime.Goexit, func(p *core.PanicError) {
			if p == nil {
				err = core.ErrGoexit
			}
		})
	}()
	<-done
	fmt.Println(err)
	// Output: core: task called runtime.Goexit
}

func ExampleStuckError() {
	err := error(&core.StuckError{Kind: "pool", Owner: "mail", Running: 1, Dropped: 5, Cause: errors.New("no time")})
	fmt.Println(err)
	// Output: pool "mail": 1 running, 5 dropped: no time
}

func ExampleStuckError_Error() {
	now := time.Now()
	err := &core.StuckError{Kind: "group", Owner: "ingest", Running: 3, Time: now, Cause: context.DeadlineExceeded}
	for _, id := range []string{"21", "22", "23"} {
		err.Tasks = append(err.Tasks, core.Task{
			Name:    "ingest/fetch",
			Started: now.Add(-10 * time.Millisecond),
			Stack:   []byte("goroutine " + id + " [chan receive]:\nmain.main.func1()\n\t/src/main.go:14 +0x1c"),
		})
	}
	fmt.Println(err)
	// Output:
	// group "ingest": 3 running: context deadline exceeded
	//
	// 3 × ingest/fetch, for 10ms
	// goroutine 21 [chan receive]:
	// main.main.func1()
	// 	/src/main.go:14 +0x1c
}

func ExampleStuckError_Unwrap() {
	err := &core.StuckError{Running: 1, Cause: context.DeadlineExceeded}
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

func ExampleErrDone() {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(core.ErrDone) // as an owner does with its background tasks
	fmt.Println(context.Cause(ctx) == core.ErrDone)
	// Output: true
}

func ExampleFuture_Get() {
	p := core.NewPromise[int]() // group.Fork and pool.Submit make a future
	go p.Resolve(6*7, nil)
	fmt.Println(p.Future().Get())
	// Output: 42 <nil>
}

func ExampleFuture_GetContext() {
	p := core.NewPromise[int]()
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Millisecond, errors.New("too slow"))
	defer cancel()
	fmt.Println(p.Future().GetContext(ctx))

	p.Resolve(42, nil)
	fmt.Println(p.Future().GetContext(ctx)) // a result is a result, also with ctx done
	// Output:
	// 0 too slow
	// 42 <nil>
}

func ExampleFuture_Done() {
	p := core.NewPromise[string]()
	p.Resolve("kept", nil)
	select {
	case <-p.Future().Done():
		fmt.Println(p.Future().Get())
	case <-time.After(time.Minute):
		fmt.Println("never printed")
	}
	// Output: kept <nil>
}
