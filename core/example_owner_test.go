package core_test

import (
	"fmt"
	"sync"

	"github.com/coterie-go/coterie/core"
)

// A counter that many goroutines raise, without ordering them in the eyes of the
// race detector.
func ExampleGuarded() {
	var mu sync.Mutex
	var tasks core.Guarded[int] // guarded by mu
	raise := func() {
		core.RaceDisable()
		mu.Lock()
		tasks.Store(tasks.Load() + 1)
		mu.Unlock()
		core.RaceEnable()
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(raise)
	}
	wg.Wait()
	fmt.Println(tasks.Load())
	// Output: 10
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
