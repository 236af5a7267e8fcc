package errgroup

import (
	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// Fork starts f in g, as Go does, and returns its result to come. An error of f is
// one of the group, too. A panic of f is raised by the future's Get and falls under
// g's panic policy as that of any task; under [group.Capture] it is the error that
// Get returns.
func Fork[T any](g *Group, f func() (T, error)) *group.Future[T] {
	if f == nil {
		panic("errgroup: nil func")
	}
	if group.PanicPolicy(g.panics) == group.Capture {
		f = captured(f)
	}
	p := group.NewPromise[T]()
	m := g.newMark()
	g.engine.Go(task{func() error {
		p.Run(group.PanicPolicy(g.panics), func() (T, error) {
			value, err := f()
			if err != nil {
				g.fail(m, err) // before anyone who Gets it can fail of it
			}
			return value, err
		})
		return nil
	}, m})
	return p.Future()
}

// captured makes a panic of f its error.
func captured[T any](f func() (T, error)) func() (T, error) {
	return func() (value T, err error) {
		core.Call(func() { value, err = f() }, func(p *core.PanicError) {
			if p != nil {
				err = p
			}
		})
		return value, err
	}
}
