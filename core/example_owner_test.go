package core_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/coterie-go/coterie/core"
)

// The task writes to the promise; others read the future.
func ExamplePromise() {
	p := core.NewPromise[int]()
	go p.Resolve(6*7, nil)
	fmt.Println(p.Future().Get())

	p = core.NewPromise[int]()
	p.Resolve(0, errors.New("dropped"))
	fmt.Println(p.Future().Get())
	// Output:
	// 42 <nil>
	// 0 dropped
}

// A reader can run the task, if nothing else would.
func ExamplePromise_Help() {
	p := core.NewPromise[string]()
	var once sync.Once
	p.Help(func(context.Context) { once.Do(func() { p.Resolve("done by the reader", nil) }) })
	fmt.Println(p.Future().Get())
	// Output: done by the reader <nil>
}

func ExampleNewPromise() {
	p := core.NewPromise[string]()
	go p.Resolve("kept", nil)
	fmt.Println(p.Future().Get())
	// Output: kept <nil>
}

func ExamplePromiseOf() {
	type order struct {
		number int
		paid   core.Future[bool] // so that the promise allocates nothing
	}
	o := &order{number: 7}
	core.PromiseOf(&o.paid).Resolve(true, nil)
	fmt.Println(o.paid.Get())
	// Output: true <nil>
}

func ExamplePromise_Future() {
	p := core.NewPromise[int]()
	f := p.Future() // given to those who wait
	p.Resolve(42, nil)
	fmt.Println(f.Get())
	// Output: 42 <nil>
}

func ExamplePromise_Resolve() {
	p := core.NewPromise[int]()
	p.Resolve(0, errors.New("not today"))
	fmt.Println(p.Future().Get())
	// Output: 0 not today
}

func ExamplePromise_Abort() {
	p := core.NewPromise[int]()
	core.Call(func() {
		n, err := strconv.Atoi("42")
		panic(fmt.Sprint(n, err))
	}, p.Abort)
	defer func() { fmt.Println(recover().(*core.PanicError).Value) }()
	p.Future().Get()
	// Output: 42 <nil>
}

// A panic that only the future's Get would raise does not vanish if nobody calls Get.
func ExamplePromise_Watch() {
	p := core.NewPromise[int]()
	p.Watch()
	core.Call(func() { panic("boom") }, p.Abort)
	defer func() { fmt.Println(recover().(*core.PanicError).Value) }()
	p.Future().Get() // without this the process would end when the future is collected
	// Output: boom
}

func ExampleNewPanicError() {
	var err error
	func() {
		defer func() {
			if v := recover(); v != nil {
				err = core.NewPanicError(v) // while the stack still shows where it was
			}
		}()
		panic(fmt.Errorf("row %d: no price", 7))
	}()
	p := err.(*core.PanicError)
	fmt.Println(p.Value, len(p.Stack) > 0)
	// Output: row 7: no price true
}

func ExamplePromise_Owned() {
	p := core.NewPromise[int]()
	p.Owned(0) // the task is of an owner without a name
	p.Resolve(1, nil)
	fmt.Println(p.Future().Get())
	// Output: 1 <nil>
}
