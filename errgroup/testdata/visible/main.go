// Visible runs tasks that race, and tasks that do not. A -race build must report the former only.
// Its argument is the case. The race detector sees no edge from a sleep.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

var (
	shared  int
	errBoom = errors.New("boom")
	ctx     = context.Background()
)

// write returns a task that writes the variable that all tasks write.
func write(err error) func() error {
	return func() error {
		shared++
		return err
	}
}

// oneThenOther starts two tasks. It starts the second when the first has ended.
func oneThenOther(g *errgroup.Group, a, b func() error) {
	g.Go(a)
	time.Sleep(5 * time.Millisecond)
	g.Go(b)
	_ = g.Wait()
}

func with(opts errgroup.Options) *errgroup.Group {
	g, _ := errgroup.New(ctx, opts)
	return g
}

func value(context.Context) (int, error) {
	shared++
	return shared, nil
}

var racy = map[string]func(){
	"two that succeed":        func() { oneThenOther(new(errgroup.Group), write(nil), write(nil)) },
	"two that fail":           func() { oneThenOther(new(errgroup.Group), write(errBoom), write(errBoom)) },
	"one that fails":          func() { oneThenOther(new(errgroup.Group), write(errBoom), write(nil)) },
	"with a context":          func() { oneThenOther(with(errgroup.Options{}), write(nil), write(nil)) },
	"with a context, failing": func() { oneThenOther(with(errgroup.Options{}), write(errBoom), write(errBoom)) },
	"with a limit":            func() { oneThenOther(with(errgroup.Options{Limit: 2}), write(nil), write(nil)) },
	"with a limit, set later": func() {
		g := with(errgroup.Options{Limit: 1})
		g.SetLimit(2)
		oneThenOther(g, write(nil), write(nil))
	},
	"collected": func() { oneThenOther(with(errgroup.Options{Collect: true}), write(nil), write(nil)) },
	"collected, failing": func() {
		oneThenOther(with(errgroup.Options{Collect: true, MaxErrors: 1}), write(errBoom), write(errBoom))
	},
	"captured": func() {
		panics := func() error { shared++; panic("boom") }
		oneThenOther(with(errgroup.Options{Panics: core.Capture}), panics, panics)
	},
	"started by tasks": func() {
		g := with(errgroup.Options{Collect: true})
		starts := func() error { shared++; g.Go(func() error { return nil }); return nil }
		oneThenOther(g, starts, starts)
	},
	"forked": func() {
		var g errgroup.Group
		errgroup.Fork(&g, func() (int, error) { return value(ctx) })
		time.Sleep(5 * time.Millisecond)
		errgroup.Fork(&g, func() (int, error) { return value(ctx) })
		_ = g.Wait()
	},
	"gathered": func() { _, _ = errgroup.Gather(ctx, value, value) },
	"raced": func() {
		_, _ = errgroup.Race(ctx, errgroup.RaceOptions[int]{Stagger: 5 * time.Millisecond},
			func(ctx context.Context) (int, error) { shared++; <-ctx.Done(); return 0, nil }, value)
	},
	"in a quorum": func() { _, _ = errgroup.Quorum(ctx, 2, errgroup.RaceOptions[int]{}, value, value) },
	"in a staggered quorum": func() {
		_, _ = errgroup.Quorum(ctx, 1, errgroup.RaceOptions[int]{Stagger: 5 * time.Millisecond},
			func(ctx context.Context) (int, error) { shared++; <-ctx.Done(); return 0, nil }, value)
	},
	"settled": func() { errgroup.Settle(ctx, value, value) },
}

var ordered = map[string]func(){
	"before go, and after wait": func() {
		for _, g := range []*errgroup.Group{new(errgroup.Group), with(errgroup.Options{Collect: true, Limit: 1})} {
			for _, err := range []error{nil, errBoom} {
				shared++
				g.Go(write(err))
				_ = g.Wait()
				shared++
			}
		}
	},
	"one at a time": func() {
		for _, opts := range []errgroup.Options{{Limit: 1}, {Limit: 1, Collect: true}} {
			for _, err := range []error{nil, errBoom} {
				g := with(opts)
				g.Go(write(err))
				oneThenOther(g, write(nil), write(err))
			}
		}
	},
	"one at a time, by all verbs": func() {
		g := with(errgroup.Options{Limit: 1})
		for range 3 {
			g.Go(write(nil))
			g.TryGo(write(nil))
			_ = g.GoContext(ctx, func(ctx context.Context) error {
				return g.GoContext(ctx, func(context.Context) error { shared++; return nil }) // in place
			})
			errgroup.Fork(g, func() (int, error) { return value(ctx) })
		}
		_ = g.Wait()
		shared++
	},
	"one at a time, set later": func() {
		g := new(errgroup.Group)
		g.Go(write(nil))
		_ = g.Wait()
		g.SetLimit(1)
		oneThenOther(g, write(nil), write(nil))
	},
	"an error, after wait": func() {
		g := with(errgroup.Options{Collect: true})
		for range 8 {
			g.Go(func() error { return &slowError{time.Now().String()} })
		}
		shared += len(g.Wait().Error())
	},
	"before a failure, and after the context is done": func() {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(write(errBoom))
		<-ctx.Done()
		shared++
		_ = g.Wait()
	},
	"a result": func() {
		for range 20 {
			v, _ := errgroup.Race(ctx, errgroup.RaceOptions[*int]{}, pointer, pointer)
			*v++
			all, _ := errgroup.Quorum(ctx, 2, errgroup.RaceOptions[*int]{}, pointer, pointer, pointer)
			*all[0]++
			*all[1]++
			for _, o := range errgroup.Settle(ctx, pointer, pointer) {
				*o.Value++
			}
			all, _ = errgroup.Gather(ctx, pointer, pointer)
			*all[0]++
			*all[1]++
			var g errgroup.Group
			f := errgroup.Fork(&g, func() (*int, error) { return pointer(ctx) })
			p, _ := f.Get()
			*p++
			_ = g.Wait()
		}
	},
}

func pointer(context.Context) (*int, error) { return new(int), nil }

type slowError struct{ text string }

func (e *slowError) Error() string { return e.text }

func main() {
	if f := racy[os.Args[1]]; f != nil {
		f()
	} else {
		ordered[os.Args[1]]()
	}
}
