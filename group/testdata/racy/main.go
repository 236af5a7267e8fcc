// Racy runs small programs with the groups that its argument names, and prints their names on
// standard error. In a build with the race detector, the detector reports a data race in the
// programs whose names begin with race, and none in those whose names begin with clean.
package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

type owner interface {
	Go(f func())
	Wait()
}

var owners = map[string]func() owner{
	"sync":    func() owner { return new(sync.WaitGroup) },
	"group":   func() owner { return new(group.Group) },
	"limit 1": func() owner { return group.New(group.Options{Limit: 1}) },
	"limit 1, set later": func() owner {
		g := group.New(group.Options{Limit: 3})
		g.Go(func() {})
		g.Wait()
		g.SetLimit(1)
		return g
	},
	"limit 2, set later": func() owner {
		g := group.New(group.Options{Limit: 1})
		g.Go(func() {})
		g.Wait()
		g.SetLimit(2)
		return g
	},
	"limit 2": func() owner { return group.New(group.Options{Limit: 2, Name: "two", Semaphore: core.NewSemaphore(2)}) },
}

// pause lets other goroutines run, without an edge that the race detector sees.
func pause() { time.Sleep(time.Millisecond) }

// common holds programs that sync.WaitGroup can run too.
var common = map[string]func(owner){
	"race: two tasks write": func(g owner) {
		x := 0
		g.Go(func() { x = 1 })
		g.Go(func() { x = 2 })
		g.Wait()
		_ = x
	},
	"race: the second task starts when the first has ended": func(g owner) {
		x := 0
		g.Go(func() { x = 1 })
		pause()
		g.Go(func() { x = 2 })
		g.Wait()
		_ = x
	},
	"race: the third task starts when two have ended": func(g owner) {
		x := 0
		g.Go(func() {})
		g.Go(func() { x = 1 })
		pause()
		g.Go(func() { x = 2 })
		g.Wait()
		_ = x
	},
	"race: two tasks write, and there are many": func(g owner) {
		x := 0
		for i := range 20 {
			g.Go(func() {
				if i == 3 || i == 17 {
					x = i
				}
			})
		}
		g.Wait()
		_ = x
	},
	"race: two tasks write that would share a goroutine": func(g owner) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		x := 0
		for i := range 20 {
			g.Go(func() {
				if i == 10 || i == 11 {
					x = i
				}
			})
		}
		g.Wait()
		_ = x
	},
	"race: two tasks that a task has started": func(g owner) {
		x := 0
		started := make(chan bool)
		g.Go(func() {
			go func() { // in a goroutine of its own, because Go blocks under a limit
				g.Go(func() { x = 1 })
				g.Go(func() { x = 2 })
				close(started)
			}()
		})
		<-started
		g.Wait()
		_ = x
	},
	"race: two start a task each": func(g owner) {
		x := 0
		started := make(chan bool, 2)
		for i := range 2 {
			go func() { g.Go(func() { x = i }); started <- true }()
		}
		<-started
		<-started
		g.Wait()
		_ = x
	},
	"race: the starter writes after the start": func(g owner) {
		x := 0
		g.Go(func() { x = 1 })
		x = 2
		g.Wait()
		_ = x
	},
	"race: who starts a task and who starts another": func(g owner) {
		x := 0
		started := make(chan bool, 2)
		for i := range 2 {
			go func() {
				pause()
				x = i
				g.Go(func() {})
				started <- true
			}()
		}
		<-started
		<-started
		g.Wait()
		_ = x
	},
	"race: waiters are not ordered among themselves": func(g owner) {
		x := 0
		waited := make(chan bool, 2)
		g.Go(pause)
		for i := range 2 {
			go func() { g.Wait(); x = i; waited <- true }()
		}
		<-waited
		<-waited
		_ = x
	},
	"race: tasks of one round do not wait for one another in the next": func(g owner) {
		x := 0
		g.Go(func() {})
		g.Wait()
		g.Go(func() { x = 1 })
		pause()
		g.Go(func() { x = 2 })
		g.Wait()
		_ = x
	},
	"clean: written before go, read in the task": func(g owner) {
		for i := range 20 {
			x := i
			g.Go(func() { x++ })
		}
		g.Wait()
	},
	"clean: written in a task, read after wait, round after round": func(g owner) {
		x := make([]int, 20)
		for range 5 {
			for i := range x {
				g.Go(func() { x[i]++ })
			}
			g.Wait()
			for i := range x {
				x[i]++
			}
		}
	},
	"clean: many waiters": func(g owner) {
		x := make([]int, 4)
		waited := make(chan int, len(x))
		for i := range x[:2] {
			g.Go(func() { pause(); x[i] = i })
		}
		for range x {
			go func() {
				g.Wait()
				sum := 0
				for i := range x {
					sum += x[i]
				}
				waited <- sum
			}()
		}
		for range x {
			<-waited
		}
	},
}

// ours holds programs that only groups can run.
var ours = map[string]func(*group.Group){
	"race: two tasks write and panic": func(g *group.Group) {
		x := 0
		g.Go(func() { x = 1; panic("one") })
		pause()
		g.Go(func() { x = 2; panic("two") })
		raised(g.Wait)
		_ = x
	},
	"race: a task after one that has panicked": func(g *group.Group) {
		x := 0
		g.Go(func() { defer func() { x = 1 }(); panic("one") })
		pause()
		g.Go(func() { x = 2 })
		raised(g.Wait)
		_ = x
	},
	"race: two who get a future": func(g *group.Group) {
		x := 0
		f := group.Fork(g, func() (int, error) { pause(); pause(); return 7, nil })
		got := make(chan bool, 2)
		for i := range 2 {
			go func() {
				if i == 0 {
					x = 1
					_, _ = f.Get()
				} else {
					pause()
					_, _ = f.Get()
					x = 2
				}
				got <- true
			}()
		}
		<-got
		<-got
		g.Wait()
		_ = x
	},
	"race: two tasks with contexts": func(g *group.Group) {
		x := 0
		for i := range 2 {
			_ = g.GoContext(context.Background(), func(context.Context) { x = i })
			pause()
		}
		g.Wait()
		_ = x
	},
	"clean: the result of a fork": func(g *group.Group) {
		for late := range 2 {
			f := group.Fork(g, func() (*int, error) { return new(int), nil })
			if late == 1 {
				pause()
			}
			x, _ := f.Get()
			*x = 1
			g.Wait()
		}
	},
	"clean: what a fork wrote before it was done": func(g *group.Group) {
		for late := range 2 {
			x := 0
			f := group.Fork(g, func() (int, error) { x = 1; return 0, nil })
			if late == 1 {
				pause()
			}
			<-f.Done()
			x = 2
			g.Wait()
			_ = x
		}
	},
	"clean: the value of a panic": func(g *group.Group) {
		waited := make(chan bool, 2)
		for i := range 3 {
			g.Go(func() { pause(); x := i; panic(&x) })
		}
		for range 2 {
			go func() {
				if p := raised(g.Wait); p != nil {
					sum := *p.Value.(*int)
					for _, other := range p.Others {
						sum += *other.Value.(*int)
					}
					_ = p.Error()
				}
				waited <- true
			}()
		}
		<-waited
		<-waited
	},
	"clean: a wait that may give up": func(g *group.Group) {
		x := 0
		ctx, cancel := context.WithCancel(context.Background())
		g.Go(func() { pause(); x = 1 })
		_ = g.WaitContext(ctx)
		x = 2
		cancel()
		_ = x
	},
	"clean: a wait that gives up": func(g *group.Group) {
		x := 0
		ctx, cancel := context.WithCancelCause(context.Background())
		release := make(chan bool)
		g.GoNamed("stuck", func() { <-release })
		go func() { pause(); x = 1; cancel(errors.New("enough")) }()
		err := g.WaitContext(ctx)
		x = 2
		_ = err.Error()
		close(release)
		g.Wait()
		_ = x
	},
	"clean: a scope": func(*group.Group) {
		x := 0
		group.Run(func(g *group.Group) { g.Go(func() { x = 1 }) })
		x = 2
		_ = x
	},
	"clean: one at a time, in place": func(*group.Group) {
		g := group.New(group.Options{Limit: 1})
		x := 0
		add := func(context.Context) { x++ }
		_ = g.GoContext(context.Background(), func(ctx context.Context) {
			for range 3 {
				_ = g.GoContext(ctx, add)
			}
		})
		g.Go(func() { x++ })
		g.Wait()
		x++
		_ = x
	},
	"clean: one at a time, while tasks run": func(*group.Group) {
		g := group.New(group.Options{Limit: 3})
		var x [2]int
		release := make(chan bool)
		for i := range x {
			g.Go(func() { <-release; x[i]++ })
		}
		g.SetLimit(1)
		close(release)
		g.Go(func() { x[0]++; x[1]++ })
		g.Wait()
	},
	"clean: limits set while tasks run": func(g *group.Group) {
		for n := range 20 {
			g.SetLimit(1 + n%3)
			g.Go(func() { time.Sleep(10 * time.Microsecond) })
			_ = g.Running()
		}
		g.Wait()
		g.SetLimit(-1)
	},
}

func raised(f func()) (p *core.PanicError) {
	defer func() { p, _ = recover().(*core.PanicError) }()
	f()
	return nil
}

func main() {
	newOwner := owners[os.Args[1]]
	for _, name := range slices.Sorted(maps.Keys(common)) {
		os.Stderr.WriteString("=== " + name + "\n")
		common[name](newOwner())
	}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if g, ok := newOwner().(*group.Group); ok {
			os.Stderr.WriteString("=== " + name + "\n")
			ours[name](g)
		} else if strings.HasPrefix(name, "race") {
			os.Stderr.WriteString("=== " + name + "\n")
		}
	}
}
