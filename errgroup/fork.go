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
	checkFunc(f == nil)
	if group.PanicPolicy(g.panics) == group.Capture {
		f = captured(f)
	}
	p := group.NewPromise[T]()
	m := g.newMark()
	g.engine.Go(task{func() error {
		var value T
		var err error
		returned := false
		core.Call(func() {
			if value, err = f(); err != nil {
				g.fail(m, err) // like all that follows, before anyone who Gets it can fail of it
			}
			returned = true
		}, func(panicked *core.PanicError) {
			forkAborted(g, m, p, panicked)
		})
		if returned {
			p.Resolve(value, err)
		}
		return nil
	}, m})
	return p.Future()
}

// forkAborted ends a Fork whose function has panicked, or, if panicked is nil, has
// called Goexit. Of that the engine tells Aborted, too, which changes nothing,
// unless errors are collected, and then nobody is told before Wait.
func forkAborted[T any](g *Group, m *mark, p group.Promise[T], panicked *core.PanicError) {
	policy := group.PanicPolicy(g.panics)
	if panicked != nil && policy == group.Crash {
		panic(panicked) // crashes, with the future not resolved, so that nobody goes on
	}
	if panicked != nil || policy != group.Capture || !g.collect {
		g.aborted(m, panicked)
	}
	if panicked == nil {
		var zero T
		p.Resolve(zero, core.ErrGoexit)
		return
	}
	core.Call(func() {
		p.Run(policy, func() (T, error) { panic(panicked) })
	}, func(*core.PanicError) {}) // Run passes it on to the task, which is about to return
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
