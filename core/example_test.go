package core_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coterie-go/coterie/core"
)

func ExampleWaitGroup() {
	var wg core.WaitGroup
	results := make([]int, 3)
	for i := range results {
		wg.Add(1) // before the goroutine starts
		go func() {
			defer wg.Done()
			results[i] = i * i
		}()
	}
	wg.Wait()
	fmt.Println(results)
	// Output: [0 1 4]
}

// Somebody who has waited long enough can leave, and the others stay.
func ExampleWaitGroup_WaitContext() {
	var wg core.WaitGroup
	wg.Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(wg.WaitContext(ctx))

	wg.Done()
	fmt.Println(wg.WaitContext(ctx)) // the counter is zero, so there is nothing to give up
	// Output:
	// context deadline exceeded
	// <nil>
}

func ExampleWaitGroup_Count() {
	var wg core.WaitGroup
	wg.Add(2)
	wg.Done()
	fmt.Println(wg.Count())
	// Output: 1
}

// At most 100 megabytes are in use at a time, however many want some.
func ExampleSemaphore() {
	ctx := context.Background()
	megabytes := core.NewSemaphore(100)

	if err := megabytes.Acquire(ctx, 80); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(megabytes.TryAcquire(30))
	megabytes.Release(80)
	fmt.Println(megabytes.TryAcquire(30))
	// Output:
	// false
	// true
}

// An Acquire that can never succeed says so at once; one that gives up has taken
// nothing.
func ExampleSemaphore_Acquire() {
	sem := core.NewSemaphore(2)
	fmt.Println(sem.Acquire(context.Background(), 3))

	sem.TryAcquire(2)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(sem.Acquire(ctx, 1))
	fmt.Println(sem.InUse(), sem.Waiting())
	// Output:
	// core: weight above the semaphore's limit
	// context deadline exceeded
	// 2 0
}

// The limit may change at any time. Those who hold permits keep them.
func ExampleSemaphore_SetLimit() {
	sem := core.NewSemaphore(4)
	sem.TryAcquire(4)
	sem.SetLimit(2)
	fmt.Println(sem.InUse(), "of", sem.Limit())
	sem.Release(3)
	fmt.Println(sem.TryAcquire(1), sem.TryAcquire(1))
	sem.SetLimit(0) // pauses: whoever comes waits
	// Output:
	// 4 of 2
	// true false
}

func ExampleCall() {
	err := errors.New("returned")
	core.Call(func() {
		panic(io.ErrUnexpectedEOF)
	}, func(p *core.PanicError) { // p would be nil for a Goexit
		err = p
	})
	fmt.Println(errors.Is(err, io.ErrUnexpectedEOF))
	// Output: true
}
