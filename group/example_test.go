package group_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A scope returns when its body and every task have ended.
func ExampleRun() {
	squares := make([]int, 5)
	group.Run(func(g *group.Group) {
		for i := range squares {
			g.Go(func() { squares[i] = i * i })
		}
	})
	fmt.Println(squares)
	// Output: [0 1 4 9 16]
}

func ExampleRunWith() {
	var running, most atomic.Int32
	group.RunWith(group.Options{Name: "thumbnails", Limit: 2}, func(g *group.Group) {
		for range 10 {
			g.Go(func() { // blocks while two run
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				running.Add(-1)
			})
		}
	})
	fmt.Println(most.Load() <= 2)
	// Output: true
}

// Where tasks are started in one place and waited for in another, an object holds
// the group. Its zero value is ready for use.
func ExampleGroup() {
	var sending group.Group
	var sent atomic.Int32
	for range 3 {
		sending.Go(func() { sent.Add(1) })
	}
	sending.Wait()
	fmt.Println(sent.Load(), "sent,", sending.Running(), "left")
	// Output: 3 sent, 0 left
}

// A task's panic is raised where the task is waited for.
func ExampleGroup_Wait() {
	var g group.Group
	g.Go(func() { panic("broken") })
	defer func() {
		p := recover().(*core.PanicError)
		fmt.Println(p.Value, len(p.Stack) > 0)
	}()
	g.Wait()
	// Output: broken true
}

func ExampleNew() {
	var caught atomic.Int32
	g := group.New(group.Options{
		Panics:  core.Capture,
		OnPanic: func(*core.PanicError) { caught.Add(1) },
	})
	g.Go(func() { panic("one bad message") })
	g.Wait()
	fmt.Println(caught.Load())
	// Output: 1
}

func ExampleGroup_TryGo() {
	g := group.New(group.Options{Limit: 1})
	gate := make(chan struct{})
	g.Go(func() { <-gate })
	fmt.Println(g.TryGo(func() {}))
	close(gate)
	g.Wait()
	fmt.Println(g.TryGo(func() {}))
	g.Wait()
	// Output:
	// false
	// true
}

// A task whose context was done before there was room for it does not run.
func ExampleGroup_GoContext() {
	g := group.New(group.Options{Limit: 1})
	gate := make(chan struct{})
	g.Go(func() { <-gate })

	late := errors.New("no room in time")
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Millisecond, late)
	defer cancel()
	err := g.GoContext(ctx, func(ctx context.Context) { fmt.Println("not reached") })
	fmt.Println(err)
	close(gate)
	g.Wait()
	// Output: no room in time
}

// Whoever gives up waiting learns who is stuck, by name.
func ExampleGroup_GoNamed() {
	g := group.New(group.Options{Name: "indexer"})
	disk, reading := make(chan []byte), make(chan struct{})
	g.GoNamed("reader", func() { close(reading); <-disk })
	<-reading

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var stuck *core.StuckError
	if errors.As(g.WaitContext(ctx), &stuck) {
		fmt.Println(stuck.Running, stuck.Cause)
		for _, task := range stuck.Tasks {
			fmt.Println(task.Name)
		}
	}
	close(disk)
	g.Wait()
	// Output:
	// 1 context deadline exceeded
	// indexer/reader
}

// A wait that was given up changes nothing: the tasks run on, and it can be called
// again.
func ExampleGroup_WaitContext() {
	var g group.Group
	gate := make(chan struct{})
	g.Go(func() { <-gate })

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(g.WaitContext(ctx))
	close(gate)
	fmt.Println(g.WaitContext(context.Background()))
	// Output:
	// group: 1 running: context deadline exceeded
	// <nil>
}

// The limit may change while tasks run, which then count.
func ExampleGroup_SetLimit() {
	var g group.Group
	gate := make(chan struct{})
	g.Go(func() { <-gate })
	g.SetLimit(1)
	fmt.Println(g.TryGo(func() {}))
	g.SetLimit(-1) // no limit
	fmt.Println(g.TryGo(func() {}))
	close(gate)
	g.Wait()
	// Output:
	// false
	// true
}

// A task that has a result is forked.
func ExampleFork() {
	group.Run(func(g *group.Group) {
		six := group.Fork(g, func() (int, error) { return 6, nil })
		seven := group.Fork(g, func() (int, error) { return 7, nil })
		a, _ := six.Get() // waits for that one task
		b, _ := seven.Get()
		fmt.Println(a * b)
	})
	// Output: 42
}

func ExampleFuture_GetContext() {
	var g group.Group
	gate := make(chan struct{})
	answer := group.Fork(&g, func() (int, error) { <-gate; return 42, nil })

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(answer.GetContext(ctx)) // the task runs on
	close(gate)
	<-answer.Done()
	fmt.Println(answer.GetContext(ctx)) // there is a result, so there is nothing to give up
	// Output:
	// 0 context deadline exceeded
	// 42 <nil>
}

func ExampleOptions() {
	disk := core.NewSemaphore(4) // all that touch the disk
	reads := group.New(group.Options{Name: "read", Semaphore: disk})
	writes := group.New(group.Options{Name: "write", Semaphore: disk, Limit: 1})
	reads.Go(func() { fmt.Println("in use:", disk.InUse()) })
	reads.Wait()
	writes.Go(func() {})
	writes.Wait()
	fmt.Println("in use:", disk.InUse())
	// Output:
	// in use: 1
	// in use: 0
}

func ExampleGroup_Go() {
	var g group.Group
	answer := make(chan int)
	g.Go(func() { fmt.Println("got", <-answer) }) // holds nobody up
	g.Go(func() { answer <- 42 })
	g.Wait()
	// Output: got 42
}

func ExampleGroup_Running() {
	var g group.Group
	release := make(chan struct{})
	g.Go(func() { <-release })
	g.Go(func() { <-release })
	fmt.Println(g.Running())
	close(release)
	g.Wait()
	fmt.Println(g.Running())
	// Output:
	// 2
	// 0
}

func ExampleFuture_Get() {
	var g group.Group
	config := group.Fork(&g, func() ([]byte, error) { return os.ReadFile("no such file") })
	_, err := config.Get()
	g.Wait()
	fmt.Println(errors.Is(err, os.ErrNotExist))
	// Output: true
}

func ExampleFuture_Done() {
	var g group.Group
	f := group.Fork(&g, func() (int, error) { return 1, nil })
	select {
	case <-f.Done():
		fmt.Println("done")
	case <-time.After(time.Minute):
		fmt.Println("too slow")
	}
	g.Wait()
	// Output: done
}

func ExamplePanicPolicy() {
	g := group.New(group.Options{
		Panics:  core.Capture,
		OnPanic: func(p *core.PanicError) { fmt.Println("log:", p.Value) },
	})
	g.Go(func() { panic("one request is lost, the server is not") })
	g.Wait()
	// Output: log: one request is lost, the server is not
}

func ExampleTask() {
	g := group.New(group.Options{Name: "ingest"})
	release, fetching := make(chan struct{}), make(chan struct{})
	g.GoNamed("fetch", func() { close(fetching); <-release })
	<-fetching
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var stuck *core.StuckError
	if errors.As(g.WaitContext(ctx), &stuck) {
		for _, task := range stuck.Tasks {
			fmt.Println(task.Name, time.Since(task.Started) < time.Hour, len(task.Stack) > 0)
		}
	}
	close(release)
	g.Wait()
	// Output: ingest/fetch true true
}

// A task that prints what the others report, and ends when they have.
func ExampleGroup_Background() {
	var g group.Group
	lines := make(chan string)
	g.Background(context.Background(), func(ctx context.Context) {
		for {
			select {
			case line := <-lines:
				fmt.Println(line)
			case <-ctx.Done():
				fmt.Println(context.Cause(ctx) == core.ErrDone)
				return
			}
		}
	})
	g.Go(func() { lines <- "one"; lines <- "two" })
	g.Wait()
	// Output:
	// one
	// two
	// true
}
