package compare_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/iter"
	concpool "github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"
	xerrgroup "golang.org/x/sync/errgroup"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

var (
	ctx       = context.Background()
	errFirst  = errors.New("first")
	errSecond = errors.New("second")
)

const (
	short = 50 * time.Millisecond // how long a wait lasts that gives up
	long  = 3 * time.Second       // far longer than what does not hang takes
)

// orHangs prints what f returns, or that it does not return. A Goexit of f's
// goroutine is "Wait calls Goexit".
func orHangs(f func() string) {
	done := make(chan string, 1)
	go func() {
		outcome := "Wait calls Goexit"
		defer func() { done <- outcome }()
		outcome = f()
	}()
	select {
	case outcome := <-done:
		fmt.Print(outcome)
	case <-time.After(long):
		fmt.Print("hangs")
	}
}

// run starts a task in a group and waits for it, and returns the error of the wait.
var run = map[string]func(task func()) error{
	"coterie": func(task func()) error {
		var g group.Group
		g.Go(task)
		g.Wait()
		return nil
	},
	"sync.WaitGroup": func(task func()) error {
		var g sync.WaitGroup
		g.Go(task)
		g.Wait()
		return nil
	},
	"x/sync errgroup": func(task func()) error {
		var g xerrgroup.Group
		g.Go(func() error { task(); return nil })
		return g.Wait()
	},
	"conc": func(task func()) error {
		var g conc.WaitGroup
		g.Go(task)
		g.Wait()
		return nil
	},
	"ants": func(task func()) error {
		p, err := ants.NewPool(2, ants.WithLogger(logger{}))
		if err != nil {
			return err
		}
		p.Submit(task)
		return p.ReleaseTimeout(long)
	},
	"pond": func(task func()) error {
		return pond.NewPool(2).NewGroup().Submit(task).Wait()
	},
}

var logged = make(chan bool, 1)

type logger struct{}

func (logger) Printf(string, ...any) {
	select {
	case logged <- true:
	default:
	}
}

func panics(name string) {
	defer func() {
		if recover() != nil {
			fmt.Print("Wait raises it")
		}
	}()
	if err := run[name](func() { panic(errFirst) }); errors.Is(err, errFirst) {
		fmt.Print("Wait returns it")
		return
	}
	select {
	case <-logged:
		fmt.Print("is logged")
	case <-time.After(long):
		fmt.Print("is lost")
	}
}

// panicsInPool is panics for a task for which no caller waits in particular.
func panicsInPool(name string) {
	task := func() { panic(errFirst) }
	switch name {
	case "coterie":
		p := pool.New(2, pool.Options{})
		p.Go(task)
		p.Close()
	case "conc":
		p := concpool.New().WithMaxGoroutines(2)
		p.Go(task)
		defer func() {
			if recover() != nil {
				fmt.Print("Wait raises it")
			}
		}()
		p.Wait()
	case "ants":
		panics(name)
	case "pond":
		p := pond.NewPool(2)
		p.Go(task)
		p.StopAndWait()
		if p.FailedTasks() == 1 {
			fmt.Print("is counted")
		}
	}
	time.Sleep(short) // a wait may return while the panic is under way
}

func panicToFunction(name string) {
	got := make(chan any, 1)
	switch name {
	case "coterie":
		g := group.New(group.Options{Panics: core.Capture, OnPanic: func(p *core.PanicError) { got <- p.Value }})
		g.Go(func() { panic(errFirst) })
		g.Wait()
	case "ants":
		p, _ := ants.NewPool(1, ants.WithPanicHandler(func(v any) { got <- v }))
		p.Submit(func() { panic(errFirst) })
	}
	if <-got == errFirst {
		fmt.Print("yes")
	}
}

// panicEnds prints nothing: where there is a way, the process ends.
func panicEnds(name string) {
	task := func() { panic(errFirst) }
	switch name {
	case "coterie":
		g := group.New(group.Options{Panics: core.Crash})
		g.Go(task)
		g.Wait()
	case "pond":
		pond.NewPool(1, pond.WithoutPanicRecovery()).Submit(task).Wait()
	case "ants":
		p, _ := ants.NewPool(1, ants.WithPanicHandler(func(v any) { panic(v) }))
		p.Submit(task)
	default:
		run[name](task)
	}
	time.Sleep(long) // a Wait may return while the panic is under way
}

func goexit(name string) {
	orHangs(func() string {
		if err := run[name](runtime.Goexit); err != nil {
			return err.Error()
		}
		return "unnoticed"
	})
}

func goexitInPool(name string) {
	orHangs(func() string {
		switch name {
		case "coterie":
			p := pool.New(2, pool.Options{})
			p.Go(runtime.Goexit)
			p.Close()
		case "conc":
			p := concpool.New().WithMaxGoroutines(2)
			p.Go(runtime.Goexit)
			p.Wait()
		case "ants":
			p, _ := ants.NewPool(2)
			p.Submit(runtime.Goexit)
			if err := p.ReleaseTimeout(long / 2); err != nil {
				return err.Error()
			}
		case "pond":
			p := pond.NewPool(2)
			p.Go(runtime.Goexit)
			p.StopAndWait()
		}
		return "unnoticed"
	})
}

func givesUp(name string) {
	block := func() { select {} }
	soon, cancel := context.WithTimeout(ctx, short)
	defer cancel()
	switch name {
	case "coterie":
		var g group.Group
		g.Go(block)
		if err := g.WaitContext(soon); errors.Is(err, context.DeadlineExceeded) {
			fmt.Print("WaitContext")
		}
	case "ants":
		p, _ := ants.NewPool(1)
		p.Submit(block)
		if err := p.ReleaseTimeout(short); errors.Is(err, ants.ErrTimeout) {
			fmt.Print("ReleaseTimeout")
		}
	case "pond":
		g := pond.NewPool(1).NewGroup()
		g.Submit(block)
		select {
		case <-g.Done():
		case <-soon.Done():
			fmt.Print("select on Done")
		}
	}
}

func whatRuns(name string) {
	var g group.Group
	begun := make(chan bool)
	g.Go(func() { begun <- true; select {} })
	g.GoNamed("reader", func() { begun <- true; select {} })
	<-begun
	<-begun
	soon, cancel := context.WithTimeout(ctx, short)
	defer cancel()
	var stuck *core.StuckError
	if errors.As(g.WaitContext(soon), &stuck) && stuck.Running == 2 && len(stuck.Tasks) == 1 && stuck.Tasks[0].Name == "reader" {
		fmt.Print("tasks with a name")
	}
}

func allErrors(name string) {
	first, second := func() error { return errFirst }, func() error { return errSecond }
	var err error
	switch name {
	case "coterie":
		err = errgroup.RunWith(ctx, errgroup.Options{Collect: true}, func(ctx context.Context, g *errgroup.Group) error {
			g.Go(first)
			g.Go(second)
			return nil
		})
	case "x/sync errgroup":
		var g xerrgroup.Group
		g.Go(first)
		g.Go(second)
		err = g.Wait()
	case "conc":
		p := concpool.New().WithErrors()
		p.Go(first)
		p.Go(second)
		err = p.Wait()
	case "pond":
		err = pond.NewPool(2).NewGroup().SubmitErr(first, second).Wait()
	}
	if errors.Is(err, errFirst) && errors.Is(err, errSecond) {
		fmt.Print("yes")
	} else {
		fmt.Print("only the first")
	}
}

func loopFails(name string) {
	items := make([]int, 100)
	calls := 0
	f := func() (int, error) { calls++; return 0, errFirst }
	switch name {
	case "coterie":
		_, err := pool.MapSlice(ctx, 1, items, func(context.Context, int) (int, error) { return f() })
		if errors.Is(err, errFirst) && calls == 1 {
			fmt.Print("stops; with Keep goes on")
		}
		calls = 0
		_, _ = pool.MapSlice(ctx, 1, items, pool.Keep(func(context.Context, int) (int, error) { return f() }))
	case "conc":
		_, err := iter.Mapper[int, int]{MaxGoroutines: 1}.MapErr(items, func(*int) (int, error) { return f() })
		if errors.Is(err, errFirst) {
			fmt.Print("goes on")
		}
	}
	if calls != len(items) {
		fmt.Print(" not: ", calls)
	}
}

func inOrder(name string) {
	items := []int{0, 1, 2, 3, 4, 5, 6, 7}
	// The first takes the longest.
	f := func(i int) int { time.Sleep(time.Duration(len(items)-i) * short / 10); return i }
	check := func(got []int) {
		if !slices.Equal(got, items) {
			fmt.Print("not ", got)
		}
	}
	switch name {
	case "coterie":
		fc := func(_ context.Context, i int) (int, error) { return f(i), nil }
		slice, _ := pool.MapSlice(ctx, len(items), items, fc)
		check(slice)
		var yielded []int
		for v, err := range pool.Map(ctx, len(items), slices.Values(items), fc) {
			if err == nil {
				yielded = append(yielded, v)
			}
		}
		check(yielded)
		fmt.Print("slice, iterator")
	case "conc":
		check(iter.Mapper[int, int]{MaxGoroutines: len(items)}.Map(items, func(i *int) int { return f(*i) }))
		var called []int
		s := stream.New().WithMaxGoroutines(len(items))
		for _, i := range items {
			s.Go(func() stream.Callback {
				v := f(i)
				return func() { called = append(called, v) }
			})
		}
		s.Wait()
		check(called)
		fmt.Print("slice, callbacks")
	case "pond":
		g := pond.NewResultPool[int](len(items)).NewGroup()
		for _, i := range items {
			g.Submit(func() int { return f(i) })
		}
		slice, _ := g.Wait()
		check(slice)
		fmt.Print("slice")
	}
}

func changeLimit(name string) {
	defer func() {
		if recover() != nil {
			fmt.Print("panics")
		}
	}()
	held, release := make(chan bool), make(chan bool)
	hold := func() { held <- true; <-release }
	switch name {
	case "coterie":
		g := group.New(group.Options{Limit: 1}) //coterie:unwaited the process ends while they run
		g.Go(hold)
		<-held
		g.SetLimit(2)
		g.Go(hold)
	case "x/sync errgroup":
		var g xerrgroup.Group //coterie:unwaited the process ends while they run
		g.SetLimit(1)
		g.Go(func() error { hold(); return nil })
		<-held
		g.SetLimit(2)
	case "conc":
		p := concpool.New().WithMaxGoroutines(1) //coterie:unwaited the process ends while they run
		p.Go(hold)
		<-held
		p.WithMaxGoroutines(2)
	case "ants":
		p, _ := ants.NewPool(1)
		p.Submit(hold)
		<-held
		p.Tune(2)
		p.Submit(hold)
	case "pond":
		p := pond.NewPool(1)
		p.Go(hold)
		<-held
		p.Resize(2)
		p.Go(hold)
	}
	<-held // the second runs while the first still does
	fmt.Print("yes")
}

// start returns how to start a task in an owner that runs one at a time.
func start(name string) func(task func()) {
	switch name {
	case "coterie":
		return pool.New(1, pool.Options{}).Go
	case "x/sync errgroup":
		var g xerrgroup.Group
		g.SetLimit(1)
		return func(task func()) { g.Go(func() error { task(); return nil }) }
	case "conc":
		return concpool.New().WithMaxGoroutines(1).Go
	case "ants":
		p, _ := ants.NewPool(1)
		return func(task func()) { p.Submit(task) }
	case "pond":
		p := pond.NewPool(1)
		return func(task func()) { p.Go(task) }
	}
	panic(name)
}

func nestedWait(name string) {
	orHangs(func() string {
		start := start(name)
		outer := make(chan bool)
		start(func() {
			inner := make(chan bool)
			start(func() { close(inner) })
			<-inner
			close(outer)
		})
		<-outer
		return "runs it"
	})
}

func nestedWaitContext(name string) {
	orHangs(func() string {
		p := pool.New(1, pool.Options{})
		b := p.Batch(ctx)
		b.GoContext(ctx, func(ctx context.Context) {
			inner := p.Batch(ctx)
			inner.GoContext(ctx, func(context.Context) {})
			inner.Wait()
		})
		b.Wait()
		return "runs it"
	})
}

func nestedGo(name string) {
	orHangs(func() (outcome string) {
		defer func() {
			if recover() != nil {
				outcome = "panics after 1 s"
			}
		}()
		inner := make(chan bool)
		outer := func(start func(func())) func() {
			return func() { start(func() { close(inner) }) }
		}
		switch name {
		case "coterie":
			g := group.New(group.Options{Limit: 1})
			g.Go(outer(g.Go))
			g.Wait()
		default:
			start := start(name)
			start(outer(start))
		}
		<-inner
		return "runs it later"
	})
}

func idle(name string) {
	before := runtime.NumGoroutine()
	switch name {
	case "coterie":
		p := pool.New(2, pool.Options{IdleAfter: short})
		p.Go(func() {})
		p.Wait()
	case "ants":
		p, _ := ants.NewPool(2, ants.WithExpiryDuration(short))
		p.Submit(func() {})
	case "pond":
		pond.NewPool(2).Submit(func() {}).Wait()
	}
	time.Sleep(time.Second)
	if n := runtime.NumGoroutine() - before; n > 0 {
		fmt.Print(n)
	} else {
		fmt.Print("none")
	}
}
