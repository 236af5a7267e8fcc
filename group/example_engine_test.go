package group_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A line is a task that prints itself.
type line string

func (l line) Run() { fmt.Println(l) }

func (l line) Aborted(*core.PanicError) bool { return false }

func ExampleEngine_Init() {
	var e group.Engine[line]
	e.Init(context.Background(), &group.Options{Name: "printer", Limit: 1})
	e.Go("first")
	e.Go("second") // waits for the first to end
	e.Wait()
	// Output:
	// first
	// second
}

func ExampleEngine_Go() {
	var e group.Engine[line]
	e.Go("hello")
	e.Wait()
	// Output: hello
}

func ExampleEngine_Start() {
	var e group.Engine[line]
	if e.Start("hello") {
		go e.Serve("hello")
	}
	e.Wait()
	// Output: hello
}

func ExampleEngine_Serve() {
	var e group.Engine[line]
	for _, t := range []line{"hello", "hello again"} {
		if e.Start(t) { // or else it has been started
			go e.Serve(t)
		}
	}
	e.Wait()
	// Unordered output:
	// hello
	// hello again
}

func ExampleEngine_GoNamed() {
	var e group.Engine[line]
	e.GoNamed("greeting", "hello") // a stuck report would call it so
	e.Wait()
	// Output: hello
}

func ExampleEngine_TryGo() {
	var e group.Engine[line]
	e.SetLimit(0)
	fmt.Println(e.TryGo("not now"))
	e.SetLimit(1)
	fmt.Println(e.TryGo("now"))
	e.Wait()
	// Unordered output:
	// false
	// true
	// now
}

func ExampleEngine_GoContext() {
	var e group.Engine[line]
	ctx, cancel := context.WithCancelCause(context.Background())
	task := func(context.Context) line { return "hello" }
	fmt.Println(e.GoContext(ctx, task))
	e.Wait()
	cancel(errors.New("no more greetings"))
	fmt.Println(e.GoContext(ctx, task))
	// Unordered output:
	// <nil>
	// hello
	// no more greetings
}

func ExampleEngine_SetLimit() {
	var e group.Engine[line]
	e.SetLimit(1)
	e.Go("first")
	e.Go("second") // waits for the first to end
	e.SetLimit(-1) // no limit any more
	e.Wait()
	// Output:
	// first
	// second
}

func ExampleEngine_Running() {
	var e group.Engine[line]
	e.Go("hello")
	e.Wait()
	fmt.Println(e.Running())
	// Output:
	// hello
	// 0
}

func ExampleEngine_Wait() {
	var e group.Engine[line]
	for i := range 3 {
		e.Go(line(strconv.Itoa(i)))
	}
	e.Wait()
	fmt.Println("all have ended")
	// Unordered output:
	// 0
	// 1
	// 2
	// all have ended
}

func ExampleEngine_Close() {
	var e group.Engine[line]
	e.Go("last words")
	e.Close()
	defer func() { fmt.Println(recover()) }()
	e.Go("more")
	// Output:
	// last words
	// group_test: Go on a group, which has ended
}

func ExampleEngine_Path() {
	outer, inner := new(group.Engine[line]), new(group.Engine[line])
	outer.Init(context.Background(), &group.Options{Name: "ingest"})
	inner.Init(outer.Scope(context.Background()), &group.Options{Name: "fetch"})
	fmt.Println(inner.Path())
	// Output: ingest/fetch
}

func ExampleEngine_Scope() {
	var e group.Engine[line]
	e.Init(context.Background(), &group.Options{Name: "ingest"})
	_, path := group.Scope(e.Scope(context.Background()), "fetch")
	fmt.Println(path)
	// Output: ingest/fetch
}

func ExampleEngine_Stuck() {
	var e group.Engine[line]
	e.Init(context.Background(), &group.Options{Name: "printer"})
	fmt.Println(e.Stuck(errors.New("out of paper")))
	// Output: group "printer": 0 still running: out of paper
}

func ExampleEngine_Within() {
	var e group.Engine[line]
	fmt.Println(e.Within(context.Background())) // true only for a context of one of its tasks
	// Output: false
}

func ExampleFailures_Add() {
	var fs group.Failures
	fs.Add(&core.PanicError{Value: "boom"})
	defer func() { fmt.Println(recover().(*core.PanicError).Value) }()
	fs.Raise(0)
	// Output: boom
}

func ExampleFailures_Seen() {
	var fs group.Failures
	seen := fs.Seen() // as a Wait begins
	fs.Raise(seen)    // as it ends: nothing was raised
	fmt.Println("nothing to tell")
	// Output: nothing to tell
}

func ExampleFailures_Raise() {
	var fs group.Failures
	seen := fs.Seen()
	fs.Add(&core.PanicError{Value: "first"})
	fs.Add(&core.PanicError{Value: "second"})
	defer func() {
		p := recover().(*core.PanicError)
		fmt.Println(p.Value, p.Others[0].Value)
	}()
	fs.Raise(seen)
	// Output: first second
}

func ExampleNewPromise() {
	p := group.NewPromise[string]()
	go p.Resolve("kept", nil)
	fmt.Println(p.Future().Get())
	// Output: kept <nil>
}

func ExamplePromiseOf() {
	type order struct {
		number int
		paid   group.Future[bool] // part of it, so that nothing more is allocated
	}
	o := &order{number: 7}
	group.PromiseOf(&o.paid).Resolve(true, nil)
	fmt.Println(o.paid.Get())
	// Output: true <nil>
}

func ExamplePromise_Future() {
	p := group.NewPromise[int]()
	f := p.Future() // to be given to whoever waits
	p.Resolve(42, nil)
	fmt.Println(f.Get())
	// Output: 42 <nil>
}

func ExamplePromise_Resolve() {
	p := group.NewPromise[int]()
	p.Resolve(0, errors.New("not today"))
	fmt.Println(p.Future().Get())
	// Output: 0 not today
}

func ExamplePromise_Run() {
	p := group.NewPromise[int]()
	p.Run(group.Propagate, func() (int, error) { return strconv.Atoi("42") })
	fmt.Println(p.Future().Get())
	// Output: 42 <nil>
}

func ExampleGoroutineID() {
	here := group.GoroutineID()
	group.Run(func(g *group.Group) {
		g.Go(func() { fmt.Println(group.GoroutineID() == here) })
	})
	fmt.Println(group.GoroutineID() == here)
	// Output:
	// false
	// true
}
