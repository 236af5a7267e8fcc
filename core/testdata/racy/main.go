// Racy runs small programs with the WaitGroup, the semaphore and the future of the
// package that its argument names, and prints their names on standard error. In a build with the
// race detector, the detector reports a data race in the programs whose names begin with race, and
// none in those whose names begin with clean. Programs whose names begin with legal break a rule
// that sync.WaitGroup has and core.WaitGroup does not have.
package main

import (
	"context"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/coterie-go/coterie/core"
)

type waitGroup interface {
	Add(int)
	Done()
	Wait()
}

type weighted interface {
	Acquire(context.Context, int64) error
	TryAcquire(int64) bool
	Release(int64)
}

type impl struct {
	waitGroup func() waitGroup
	semaphore func(limit int64) weighted
	future    func() (resolve, get func())
}

// waitContext calls WaitContext with a context that can be cancelled, if wg has WaitContext, and
// otherwise Wait.
func waitContext(wg waitGroup) {
	if wg, ok := wg.(*core.WaitGroup); ok {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_ = wg.WaitContext(ctx)
		return
	}
	wg.Wait()
}

var impls = map[string]impl{
	"sync": {
		func() waitGroup { return new(sync.WaitGroup) },
		func(limit int64) weighted { return semaphore.NewWeighted(limit) },
		func() (resolve, get func()) {
			done := make(chan struct{})
			return func() { close(done) }, func() { <-done }
		},
	},
	"core": {
		func() waitGroup { return new(core.WaitGroup) },
		func(limit int64) weighted { return core.NewSemaphore(limit) },
		func() (resolve, get func()) {
			p := core.NewPromise[int]()
			return func() { p.Resolve(0, nil) }, func() { _, _ = p.Future().Get() }
		},
	},
}

// pause lets other goroutines run, without an edge that the race detector sees.
func pause() { time.Sleep(time.Millisecond) }

// A count is hidden from the race detector, which sees no edge from up to await. Two calls of up at
// the same time may count as one.
type count struct{ n int }

//go:norace
func (c *count) up() { c.n++ }

//go:norace
func (c *count) get() int { return c.n }

func (c *count) await(n int) {
	for c.get() < n {
		pause()
	}
}

var programs = map[string]func(impl){
	"race: two tasks write": func(i impl) {
		x, wg := 0, i.waitGroup()
		wg.Add(2)
		go func() { x = 1; wg.Done() }()
		go func() { x = 2; wg.Done() }()
		wg.Wait()
		_ = x
	},
	"race: the second task starts long after the first has ended": func(i impl) {
		x, wg := 0, i.waitGroup()
		wg.Add(2)
		go func() { x = 1; wg.Done() }()
		pause()
		go func() { x = 2; wg.Done() }()
		wg.Wait()
		_ = x
	},
	"race: a task writes after Done": func(i impl) {
		x, wg := 0, i.waitGroup()
		ended := make(chan bool)
		wg.Add(1)
		go func() { wg.Done(); x = 1; ended <- true }()
		wg.Wait()
		x = 2
		<-ended
		_ = x
	},
	"race: the starter writes after the start": func(i impl) {
		x, wg := 0, i.waitGroup()
		wg.Add(1)
		go func() { x = 1; wg.Done() }()
		x = 2
		wg.Wait()
		_ = x
	},
	"race: add and done for a mutex": func(i impl) {
		x, wg := 0, i.waitGroup()
		ended := make(chan bool, 2)
		var waited [2]count
		for n := range 2 {
			go func() {
				wg.Wait()
				waited[n].up()
				waited[1-n].await(1)
				wg.Add(1)
				x = n
				wg.Add(-1)
				ended <- true
			}()
		}
		<-ended
		<-ended
		_ = x
	},
	"race: Add inside the task": func(i impl) {
		x, wg := 0, i.waitGroup()
		ended := make(chan bool, 2)
		for n := range 2 {
			go func() {
				wg.Add(1)
				runtime.Gosched()
				x = n
				wg.Done()
				ended <- true
			}()
		}
		wg.Wait()
		<-ended
		<-ended
		_ = x
	},
	"race: waiters are not ordered among themselves": func(i impl) {
		x, wg := 0, i.waitGroup()
		ended := make(chan bool, 2)
		wg.Add(1)
		for n := range 2 {
			go func() { wg.Wait(); x = n; ended <- true }()
		}
		pause()
		wg.Done()
		<-ended
		<-ended
		_ = x
	},
	"race: a waiter that may give up, before its wait, and another after": func(i impl) {
		x, wg := 0, i.waitGroup()
		ended := make(chan bool, 2)
		wg.Add(1)
		go func() { x = 1; waitContext(wg); ended <- true }()
		go func() { waitContext(wg); x = 2; ended <- true }()
		pause()
		wg.Done()
		<-ended
		<-ended
		_ = x
	},
	"race: those who get one result are not ordered among themselves": func(i impl) {
		x := 0
		resolve, get := i.future()
		ended := make(chan bool, 3)
		for n := range 3 { // the last call finds the result
			go func() {
				if n == 2 {
					pause()
					pause()
				}
				get()
				x = n
				ended <- true
			}()
		}
		pause()
		resolve()
		for range 3 {
			<-ended
		}
		_ = x
	},
	"clean: written before the result, read after get": func(i impl) {
		x := 0
		resolve, get := i.future()
		ended := make(chan bool, 3)
		go func() { pause(); x = 1; resolve() }()
		for n := range 3 {
			go func() {
				if n == 2 {
					pause()
					pause()
				}
				get()
				ended <- x == 1
			}()
		}
		for range 3 {
			<-ended
		}
	},
	"race: a waiter of one round and a task of the next": func(i impl) {
		x, wg := 0, i.waitGroup()
		var released count
		waited := make(chan bool, 1)
		wg.Add(1)
		go func() { wg.Wait(); x = 1; released.up(); waited <- true }()
		pause()
		wg.Done()
		released.await(1)
		wg.Add(1)
		go func() { x = 2; wg.Done() }()
		wg.Wait()
		<-waited
		_ = x
	},
	"race: two holders of one semaphore": func(i impl) {
		x, s := 0, i.semaphore(2)
		var holders count
		ended := make(chan bool, 2)
		for n := range 2 {
			go func() {
				holders.await(n) // the holders acquire one after another
				_ = s.Acquire(context.Background(), 1)
				x = n
				holders.up()
				holders.await(2)
				s.Release(1)
				ended <- true
			}()
		}
		<-ended
		<-ended
		_ = x
	},
	"legal with ours: Add while another waits": func(i impl) {
		wg := i.waitGroup()
		ended := make(chan bool, 2)
		var added count
		for range 2 {
			go func() {
				wg.Add(1)
				added.up()
				pause()
				pause()
				wg.Done()
				ended <- true
			}()
		}
		added.await(1)
		wg.Wait()
		<-ended
		<-ended
	},
	"clean: written before Done, read after Wait": func(i impl) {
		x, wg := make([]int, 8), i.waitGroup()
		wg.Add(len(x))
		for n := range x {
			go func() { x[n] = n; wg.Done() }()
		}
		wg.Wait()
		for n := range x {
			x[n]++
		}
	},
	"clean: many waiters": func(i impl) {
		x, wg := make([]int, 4), i.waitGroup()
		ended := make(chan int, len(x))
		wg.Add(len(x))
		for n := range x {
			go func() { pause(); x[n] = n; wg.Done() }()
		}
		for range x {
			go func() {
				wg.Wait()
				sum := 0
				for n := range x {
					sum += x[n]
				}
				ended <- sum
			}()
		}
		for range x {
			<-ended
		}
	},
	"clean: round after round": func(i impl) {
		x, wg := make([]int, 4), i.waitGroup()
		for range 10 {
			wg.Add(len(x))
			for n := range x {
				go func() { x[n]++; wg.Done() }()
			}
			wg.Wait()
			for n := range x {
				x[n]++
			}
		}
	},
	"clean: a Wait that finds zero": func(i impl) {
		x, wg := 0, i.waitGroup()
		wg.Add(1)
		go func() { x = 1; wg.Done() }()
		pause()
		pause()
		wg.Wait()
		x = 2
		_ = x
	},
	"clean: a waiter that may give up": func(i impl) {
		x := 0
		var wg core.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		wg.Add(1)
		go func() { pause(); x = 1; wg.Done() }()
		_ = wg.WaitContext(ctx)
		x = 2
		_ = x
	},
	"clean: written before cancel, read after giving up": func(i impl) {
		x := 0
		var wg core.WaitGroup
		s := core.NewSemaphore(0)
		wg.Add(1)
		for _, wait := range []func(context.Context) error{
			wg.WaitContext,
			func(ctx context.Context) error { return s.Acquire(ctx, 1) },
		} {
			c := &bareContext{Context: context.Background(), done: make(chan struct{})}
			go func() { pause(); x++; c.err = context.Canceled; close(c.done) }()
			_ = wait(c)
			x++
		}
		_ = x
	},
	"clean: a semaphore for a mutex": func(i impl) {
		x, s := 0, i.semaphore(1)
		ended := make(chan bool, 4)
		for n := range 4 {
			go func() {
				for range 100 {
					if n > 0 || !s.TryAcquire(1) {
						_ = s.Acquire(context.Background(), 1)
					}
					x++
					s.Release(1)
				}
				ended <- true
			}()
		}
		for range 4 {
			<-ended
		}
	},
	"clean: written before SetLimit, read after the Acquire that it lets through": func(i impl) {
		x, s := 0, core.NewSemaphore(0)
		go func() { pause(); x = 1; s.SetLimit(1) }()
		_ = s.Acquire(context.Background(), 1)
		x = 2
		_ = x
	},
}

// A bareContext has no lock or atomic of its own.
type bareContext struct {
	context.Context
	done chan struct{}
	err  error // written before close(done), read after
}

func (c *bareContext) Done() <-chan struct{} { return c.done }

func (c *bareContext) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

func main() {
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		os.Stderr.WriteString("=== " + name + "\n")
		programs[name](impls[os.Args[1]])
	}
}
