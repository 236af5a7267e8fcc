package a

import (
	"context"
	"errors"
	"log"
	"os"
	"sync"

	"helper"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
	"github.com/sourcegraph/conc"
	concpool "github.com/sourcegraph/conc/pool"
	xerrgroup "golang.org/x/sync/errgroup"
)

var ctx context.Context

func work()       {}
func fail() error { return nil }
func cond() bool  { return false }

type waitGroup = sync.WaitGroup

func never() {
	var wg waitGroup // want `tasks of wg may still run when the function returns, and nobody learns how they end: there is no Wait; call Wait on every path, for example with defer .*docs/guide/scopes.md`
	for range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			work()
		}()
	}
}

func early() error {
	g, ctx := xerrgroup.WithContext(ctx) // want `tasks of g may still run when the function returns: no Wait on the path to line 43`
	g.Go(fail)
	if err := ctx.Err(); err != nil {
		return err
	}
	return g.Wait()
}

func inLoop(items []string) error {
	g, _ := errgroup.WithContext(ctx) // want `tasks of g may still run when the function returns: no Wait on the path to line 52; use errgroup.Run, which always waits`
	for _, item := range items {
		if item == "" {
			return errors.New("empty")
		}
		g.Go(fail)
	}
	return g.Wait()
}

func kinds() {
	g := group.New(group.Options{}) // want `tasks of g may still run .*use group.Run`
	g.Go(work)
	p := pool.New(2, pool.Options{}) // want `tasks of p may still run .*call Close, Shutdown or Wait on every path`
	p.Go(work)
	b := p.Batch(ctx) // want `tasks of b may still run`
	b.Go(work)
	var cg conc.WaitGroup // want `tasks of cg may still run`
	cg.Go(work)
	cp := concpool.New().WithMaxGoroutines(2).WithErrors() // want `tasks of cp may still run`
	cp.Go(fail)
	np := new(sync.WaitGroup) // want `tasks of np may still run`
	np.Go(work)
	lp := &sync.WaitGroup{} // want `tasks of lp may still run`
	lp.Go(work)
	(*sync.WaitGroup).Go(lp, work)
}

func batchLeft(p *pool.Pool, early bool) {
	b := p.Batch(ctx) // want `tasks of b may still run .*no Wait on the path to line`
	b.Go(work)
	if early {
		return
	}
	p.Wait()
}

func passedToHelpers() {
	var g group.Group // want `tasks of g may still run`
	helper.Spawn(&g, 3)
	h := helper.Make(2) // want `tasks of h may still run`
	helper.SpawnDeep(3, h)
	var wg sync.WaitGroup // want `tasks of wg may still run`
	wg.Add(1)
	go helper.Worker(&wg)
	var f group.Group // want `tasks of f may still run`
	group.Fork(&f, func() (int, error) { return 0, nil })
}

func inLiteral() func() {
	return func() {
		var wg sync.WaitGroup // want `tasks of wg may still run`
		wg.Go(work)
	}
}

func switches(n int) {
	var g group.Group // want `tasks of g may still run when the function returns: no Wait on the path`
	g.Go(work)
	switch n {
	case 0:
		g.Wait()
	case 1:
		_ = g.WaitContext(ctx)
	}
}

// What follows is right.

func waits() error {
	var wg sync.WaitGroup
	wg.Go(work)
	wg.Wait()
	g, _ := xerrgroup.WithContext(ctx)
	g.Go(fail)
	return g.Wait()
}

func defers() {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(work)
	if cond() {
		return
	}
	var g group.Group
	g.Go(work)
	defer func() {
		work()
		g.Wait()
	}()
	if cond() {
		return
	}
	p := pool.New(1, pool.Options{})
	defer p.Close()
	p.Go(work)
	q := pool.New(1, pool.Options{})
	q.Go(work)
	_ = q.Shutdown(ctx)
}

func fails() {
	var wg sync.WaitGroup
	wg.Go(work)
	switch {
	case cond():
		panic("no")
	case cond():
		os.Exit(1)
	case cond():
		log.Fatal("no")
	case cond():
		die()
	}
	wg.Wait()
}

func die() { os.Exit(2) }

type server struct {
	g  *group.Group
	wg sync.WaitGroup
}

func stores(s *server, out chan *group.Group) *group.Group { // want stores:"makes"
	a := group.New(group.Options{})
	a.Go(work)
	s.g = a
	b := group.New(group.Options{})
	b.Go(work)
	out <- b
	c := server{g: group.New(group.Options{})}
	c.g.Go(work)
	s.wg.Go(work)
	d := group.New(group.Options{})
	d.Go(work)
	all := []*group.Group{d}
	_ = all
	e := group.New(group.Options{})
	e.Go(work)
	return e
}

func passesOn(any func(*group.Group)) {
	a := group.New(group.Options{})
	a.Go(work)
	helper.Finish(a)
	b := group.New(group.Options{})
	b.Go(work)
	helper.Keep(b)
	c := group.New(group.Options{})
	c.Go(work)
	defer helper.Later(c)()
	d := group.New(group.Options{})
	d.Go(work)
	helper.Any(d)
	e := group.New(group.Options{})
	e.Go(work)
	any(e)
	f := group.New(group.Options{})
	f.Go(work)
	helper.Through(f)
}

func others() {
	a := helper.Kept()
	a.Go(work)
	b := helper.Saved()
	b.Go(work)
}

func parameter(g *group.Group, wg *sync.WaitGroup) { // want parameter:`starts\[0 1\]`
	g.Go(work)
	wg.Add(1)
	go func() { defer wg.Done() }()
}

func elsewhere() (chan struct{}, func()) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(work)
	go func() {
		wg.Wait()
		close(done)
	}()
	var g group.Group
	g.Go(work)
	stop := func() { g.Wait() }
	var h group.Group
	h.Go(work)
	wait := h.Wait
	wait()
	return done, stop
}

func nothingStarted() error {
	g, ctx := errgroup.WithContext(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	var unused sync.WaitGroup
	unused.Add(1)
	unused.Done()
	g.Go(fail)
	return g.Wait()
}

func conditional(parallel bool) {
	var wg sync.WaitGroup
	if parallel {
		wg.Go(work)
	}
	work()
	if parallel {
		wg.Wait()
	}
}

func countedElsewhere() {
	var wg sync.WaitGroup
	var g errgroup.Group
	for range 3 {
		wg.Add(1)
		g.Go(func() error {
			defer wg.Done()
			return nil
		})
	}
	wg.Wait()
}

func batchOfClosedPool() {
	p := pool.New(1, pool.Options{})
	defer p.Close()
	b := p.Batch(ctx)
	b.Go(work)
}

func batchOfWaitedPool(p *pool.Pool) {
	b := p.Batch(ctx)
	b.Go(work)
	p.Wait()
}

func perhapsStarted() error {
	p := pool.New(1, pool.Options{})
	b := p.Batch(ctx)
	if err := b.GoContext(ctx, func(context.Context) {}); err != nil {
		return err
	}
	b.Wait()
	if f, err := pool.Submit(ctx, p, func(context.Context) (int, error) { return 0, nil }); err == nil {
		_, err = f.Get()
		return err
	}
	return nil
}

func forever() {
	var wg sync.WaitGroup
	for {
		wg.Go(work)
	}
}

func scoped() {
	group.Run(func(g *group.Group) { g.Go(work) })
}

func reused(n int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(work)
		wg.Wait()
	}
	var g *group.Group
	if n > 0 {
		g = group.New(group.Options{})
	} else {
		g = helper.Kept()
	}
	g.Go(work)
}
