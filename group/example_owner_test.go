package group_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A download is what the owner in these examples runs.
type download struct {
	url   string
	fetch func(url string) error
	fail  func(error)
}

func (d download) Run() {
	if err := d.fetch(d.url); err != nil {
		d.fail(err)
	}
}

func (d download) Aborted(*core.PanicError) bool { return false }

// An owner of one's own is made of an Engine and a type of task.
func ExampleEngine() {
	var mu sync.Mutex
	var failed []error
	newDownload := func(url string) download {
		return download{
			url: url,
			fetch: func(url string) error {
				if url == "/gone" {
					return errors.New("not found")
				}
				return nil
			},
			fail: func(err error) { mu.Lock(); defer mu.Unlock(); failed = append(failed, err) },
		}
	}

	var e group.Engine[download]
	e.Init(context.Background(), &group.Options{Name: "mirror", Limit: 1})
	ctx := e.Scope(context.Background()) // for what is nested in it

	e.Go(newDownload("/"))
	e.GoNamed("gone", newDownload("/gone"))
	err := e.GoContext(ctx, func(ctx context.Context) download {
		fmt.Println("within its task:", e.Within(ctx)) // not yet: the task has not begun
		return newDownload("/a")
	})
	e.Wait()
	fmt.Println(e.Path(), failed, err, e.Running())

	e.SetLimit(0)
	fmt.Println(e.TryGo(newDownload("/b")))
	// Output:
	// within its task: false
	// mirror [not found] <nil> 0
	// false
}

// EndScope and Close end an owner for good.
func ExampleEngine_EndScope() {
	scope := func(body func(e *group.Engine[download])) {
		e := new(group.Engine[download])
		e.Init(context.Background(), &group.Options{Name: "mirror"})
		defer func() { e.EndScope(recover()) }()
		body(e)
	}
	noop := download{fetch: func(string) error { return nil }}
	var ended *group.Engine[download]
	scope(func(e *group.Engine[download]) {
		e.Go(noop)
		ended = e
	})

	defer func() { fmt.Println(recover()) }()
	ended.Close() // has no more to do
	ended.Go(noop)
	// Output: group_test: Go on group "mirror", which has ended
}

// What was not done by a task can be raised as if it had been.
func ExampleEngine_Fail() {
	var e group.Engine[download]
	defer func() { fmt.Println(recover().(*core.PanicError).Value) }()
	e.Fail(&core.PanicError{Value: "disk full"})
	e.Wait()
	// Output: disk full
}

// Who gives up waiting learns who is stuck.
func ExampleEngine_WaitContext() {
	var e group.Engine[download]
	e.Init(context.Background(), &group.Options{Name: "mirror"})
	gate := make(chan struct{})
	e.Go(download{fetch: func(string) error { <-gate; return nil }})

	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("shutting down"))
	var stuck *group.StuckError
	fmt.Println(errors.As(e.WaitContext(ctx), &stuck), stuck.Running, stuck.Cause)
	fmt.Println(e.Stuck(errors.New("asked")).Cause)

	close(gate)
	fmt.Println(e.WaitContext(context.Background()))
	// Output:
	// true 1 shutting down
	// asked
	// <nil>
}

// An owner that does not use Engine keeps what its tasks raise in Failures.
func ExampleFailures() {
	var fs group.Failures
	seen := fs.Seen() // as the Wait begins
	core.Call(func() { panic("broken") }, fs.Add)

	defer func() { fmt.Println(recover().(*core.PanicError).Value) }()
	fs.Raise(seen) // when the tasks have ended
	// Output: broken
}

// A promise is what the one writes and its future what the other reads.
func ExamplePromise() {
	p := group.NewPromise[int]()
	go p.Run(group.Propagate, func() (int, error) { return 6 * 7, nil })
	fmt.Println(p.Future().Get())

	p = group.NewPromise[int]()
	p.Resolve(0, errors.New("dropped"))
	fmt.Println(p.Future().Get())
	// Output:
	// 42 <nil>
	// 0 dropped
}

// Where nobody else would run the task, the one who waits for it can.
func ExamplePromise_Help() {
	p := group.NewPromise[string]()
	var once sync.Once
	p.Help(func() { once.Do(func() { p.Resolve("done by the reader", nil) }) })
	fmt.Println(p.Future().Get())
	// Output: done by the reader <nil>
}

func ExampleScope() {
	ctx, path := group.Scope(context.Background(), "ingest")
	fmt.Println(path)
	_, path = group.Scope(ctx, "fetch")
	fmt.Println(path)
	// Output:
	// ingest
	// ingest/fetch
}

func ExampleNewStuckError() {
	record := group.TaskRecord{Name: "ingest/fetch", Started: time.Now(), Goroutine: group.GoroutineID()}
	err := group.NewStuckError("queue", "ingest", 1, []group.TaskRecord{record}, context.DeadlineExceeded)
	fmt.Println(err.Running, err.Tasks[0].Name, errors.Is(err, context.DeadlineExceeded))
	// Output: 1 ingest/fetch true
}
