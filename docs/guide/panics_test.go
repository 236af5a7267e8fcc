package guide_test

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

func fetchPrice(item string) (int, error) {
	if item == "pear" {
		return 0, errors.New("no price")
	}
	return 3, nil
}

// snippet: fatal in a goroutine
func TestBugFatalInGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prices := make(chan int)
		for _, item := range []string{"apple", "pear"} {
			go func() {
				price, err := fetchPrice(item)
				//coterie:failnow for the page: the bug that it shows
				require.NoError(t, err)
				prices <- price
			}()
		}
		if sum := <-prices + <-prices; sum != 7 {
			t.Errorf("sum is %d, want 7", sum)
		}
	})
}

// end snippet

// snippet: fatal in a task
func TestBugFatalInTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prices := make([]int, 2)
		group.Run(func(g *group.Group) {
			for i, item := range []string{"apple", "pear"} {
				g.Go(func() {
					price, err := fetchPrice(item)
					require.NoError(t, err)
					prices[i] = price
				})
			}
		})
		t.Error("this line is not reached")
	})
}

// end snippet

func flush() { time.Sleep(time.Second) }

// snippet: a panic that nobody sees
func TestBugPanicUnseen(t *testing.T) {
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer flush() // takes a second
		defer wg.Done()
		panic("index out of range")
	}()
	wg.Wait()
}

// end snippet

// snippet: a crash
func TestBugCrash(t *testing.T) {
	group.RunWith(group.Options{Panics: core.Crash}, func(g *group.Group) {
		g.Go(func() { panic("index out of range") })
	})
}

// end snippet

// snippet: a panic in a task
func parse() { panic("index out of range") }

func TestBugPropagate(t *testing.T) {
	group.Run(func(g *group.Group) {
		g.Go(parse)
	})
}

// end snippet

func Example_propagate() {
	// snippet: propagate
	read := func() error { return io.ErrUnexpectedEOF }
	err := func() (err error) {
		defer func() {
			if p, ok := recover().(*core.PanicError); ok {
				err = p // for example in the middleware of a server
			}
		}()
		group.Run(func(outer *group.Group) {
			outer.Go(func() {
				group.Run(func(inner *group.Group) {
					inner.Go(func() { panic(read()) })
				})
			})
		})
		return nil
	}()
	fmt.Println(errors.Is(err, io.ErrUnexpectedEOF))
	// end snippet
	// Output: true
}

func TestOthers(t *testing.T) {
	// snippet: others
	var p *core.PanicError
	func() {
		defer func() { p = recover().(*core.PanicError) }()
		group.Run(func(g *group.Group) {
			for i := range 3 {
				g.Go(func() { panic(i) })
			}
		})
	}()
	require.Len(t, p.Others, 2)
	// end snippet
}

func Example_capture() {
	// snippet: capture
	var failed sync.Map
	g := group.New(group.Options{
		Panics:  core.Capture,
		OnPanic: func(p *core.PanicError) { failed.Store(p.Value, p.Stack) },
	})
	g.Go(func() { panic("one bad message") })
	g.Wait() // raises nothing
	_, ok := failed.Load("one bad message")
	fmt.Println(ok)
	// end snippet
	// Output: true
}
