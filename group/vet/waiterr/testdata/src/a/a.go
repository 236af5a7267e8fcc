package a

import (
	"context"
	"iter"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
	concpool "github.com/sourcegraph/conc/pool"
	xerrgroup "golang.org/x/sync/errgroup"
	. "golang.org/x/sync/semaphore"
)

var ctx context.Context

func work() error                                 { return nil }
func fetch(context.Context, string) (int, error)  { return 0, nil }
func each(context.Context, int) error             { return nil }
func body(context.Context, *errgroup.Group) error { return nil }
func use(...any)                                  {}

type alias = xerrgroup.Group

type server struct {
	g     xerrgroup.Group
	other errgroup.Group
	*errgroup.Group
}

func dropped(s *server, a *alias, seq iter.Seq[string]) {
	var g xerrgroup.Group
	g.Go(work)
	g.Wait() // want `the error of g.Wait is dropped: a failure looks like success; return the error, or assign it to _ if it does not matter .*docs/guide/errors.md`

	h, _ := errgroup.WithContext(ctx)
	h.Go(func() error { return work() })
	defer h.Wait() // want `the error of h.Wait is dropped`

	go s.g.Wait()                                 // want `the error of s.g.Wait is dropped`
	s.Wait()                                      // want `the error of s.Wait is dropped`
	a.Wait()                                      // want `the error of a.Wait is dropped`
	(*xerrgroup.Group).Wait(a)                    // want `the error of .*Wait is dropped`
	errgroup.Run(ctx, body)                       // want `the error of errgroup.Run is dropped`
	errgroup.Gather[int](ctx)                     // want `the error of errgroup.Gather is dropped`
	pool.For(ctx, 0, 1, each)                     // want `the error of pool.For is dropped.*docs/guide/loops.md`
	pool.MapSlice(ctx, 0, []string{"a"}, fetch)   // want `the error of pool.MapSlice is dropped`
	concpool.New().WithErrors().Wait()            // want `the error of .*Wait is dropped`
	for n := range pool.Map(ctx, 1, seq, fetch) { // want `the loop over pool.Map ends early if a call fails, and the error is lost`
		use(n)
	}
	for range pool.MapUnordered(ctx, 1, seq, fetch) { // want `the loop over pool.MapUnordered ends early`
	}
	results := pool.Map(ctx, 1, seq, fetch)
	for n := range results { // want `the loop over pool.Map ends early`
		use(n)
	}
}

func givesUp(g *group.Group, p *pool.Pool) {
	g.WaitContext(ctx) // want `the error of g.WaitContext is dropped: nobody learns that tasks still run`
	p.Shutdown(ctx)    // want `the error of p.Shutdown is dropped: nobody learns that tasks still run`
}

func deferredScope() {
	defer func() {
		errgroup.Run(ctx, body) // want `the error of errgroup.Run is dropped`
	}()
}

// What follows is right.

func taken(s *server, seq iter.Seq[string]) error {
	var g xerrgroup.Group
	g.Go(work)
	_ = g.Wait() // on purpose
	if err := g.Wait(); err != nil {
		return err
	}
	use(g.Wait())
	_, _ = pool.MapSlice(ctx, 0, []string{"a"}, fetch)
	_ = pool.For(ctx, 0, 1, each)
	for n, err := range pool.Map(ctx, 1, seq, fetch) {
		use(n, err)
	}
	for n, _ := range pool.Map(ctx, 1, seq, fetch) {
		use(n)
	}
	for _, err := range pool.Map(ctx, 1, seq, fetch) {
		use(err)
	}
	return errgroup.Run(ctx, body)
}

func waitedTwice() error {
	g, _ := errgroup.WithContext(ctx)
	defer g.Wait() // for the paths that return early
	g.Go(work)
	return g.Wait()
}

func (s *server) stop()      { s.other.Wait() } // Err takes the error
func (s *server) Err() error { return s.other.Wait() }

func noErrors() {
	var g group.Group
	g.Wait()
	p := pool.New(1, pool.Options{})
	p.Wait()
	p.Batch(ctx).Wait()
}

func neverFails() {
	var g xerrgroup.Group
	g.SetLimit(2)
	for range 3 {
		g.Go(func() error {
			f := func() error { return work() }
			_ = f()
			return nil
		})
	}
	g.Wait()
}

func neverFailsByName() {
	var g xerrgroup.Group
	f := func() error { return nil }
	if !g.TryGo(f) {
		g.Go(f)
	}
	g.Wait()
}

func passedOn(seq iter.Seq[string]) iter.Seq2[int, error] {
	results := pool.Map(ctx, 1, seq, fetch)
	return results
}

func usedTwice(seq iter.Seq[string]) {
	results := pool.Map(ctx, 1, seq, fetch)
	for n := range results {
		use(n)
		for _, err := range results {
			use(err)
		}
	}
}

type own struct{}

func (own) Wait() error { return nil }

func notAnOwner(w *Weighted) {
	own{}.Wait()
	w.Acquire(ctx, 1)
}
