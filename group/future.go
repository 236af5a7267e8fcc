package group

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// A Future is the result of a task, which somebody may wait for. It is the one
// future type of coterie.
type Future[T any] struct {
	mu       sync.Mutex                  // nothing blocks while it is held
	done     core.Guarded[chan struct{}] // made by the first who waits; guarded by mu
	resolved core.Guarded[bool]          // guarded by mu; what follows is written before and read after

	// published orders the resolver before those that find resolved set, for
	// the race detector, from which mu is hidden: it would order more than that.
	published atomic.Bool

	value    T
	err      error
	panicked *core.PanicError

	help func() // see Promise.Help; nil for most
}

// Fork starts f in g, as [Group.Go] does, and returns its result to come. It blocks
// while g is at its limit, and panics if f is nil. An error that f returns is for
// Get alone. A panic of f is raised by Get and, as that of any task, by g's panic
// policy. A Goexit of f is an error of Get, and Wait calls Goexit.
//
// Fork costs two allocations more than Go, and one for whoever has to wait in Get.
func Fork[T any](g *Group, f func() (T, error)) *Future[T] {
	if f == nil {
		panic("group: nil func")
	}
	p := NewPromise[T]()
	policy := g.engine.settings().policy()
	g.Go(func() { p.Run(policy, f) })
	return p.Future()
}

// Get blocks until the task has ended, and returns what it returned. If the task
// panicked, Get panics with that *[core.PanicError]; if it called Goexit, Get
// returns [core.ErrGoexit]. It may be called again, and by several goroutines.
// Under the policy [Crash] a Get of a task that panics does not return.
func (f *Future[T]) Get() (T, error) {
	if !f.ready() && !f.lendHand() {
		<-f.Done()
	}
	return f.result()
}

// GetContext is Get that gives up when ctx is done, and then returns
// [context.Cause] of ctx. The task runs on, and its result can be asked for again.
// If there is a result already, GetContext returns it even with ctx done.
func (f *Future[T]) GetContext(ctx context.Context) (T, error) {
	if ctx == nil {
		panic("group: nil context")
	}
	if f.ready() || ctx.Err() == nil && f.lendHand() {
		return f.result()
	}
	select {
	case <-f.Done():
		return f.result()
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

// Done returns a channel that is closed when the task has ended, for use in a
// select. It is the same channel each time.
func (f *Future[T]) Done() <-chan struct{} {
	core.RaceDisable()
	f.mu.Lock()
	done, resolved := f.done.Load(), f.resolved.Load()
	if done == nil {
		done = make(chan struct{})
		if resolved {
			close(done)
		}
		f.done.Store(done)
	}
	f.mu.Unlock()
	core.RaceEnable()
	if core.RaceHidden && resolved {
		f.published.Load()
	}
	return done
}

// ready reports whether there is a result.
func (f *Future[T]) ready() bool {
	core.RaceDisable()
	f.mu.Lock()
	resolved := f.resolved.Load()
	f.mu.Unlock()
	core.RaceEnable()
	if core.RaceHidden && resolved {
		f.published.Load()
	}
	return resolved
}

// lendHand does what Promise.Help asked for, and reports whether there is a result
// then.
func (f *Future[T]) lendHand() bool {
	if f.help == nil {
		return false
	}
	f.help()
	return f.ready()
}

func (f *Future[T]) result() (T, error) {
	if f.panicked != nil {
		panic(f.panicked)
	}
	return f.value, f.err
}

func (f *Future[T]) resolve(value T, err error, panicked *core.PanicError) {
	core.RaceDisable()
	f.mu.Lock()
	if f.resolved.Load() {
		f.mu.Unlock()
		core.RaceEnable()
		panic("group: promise resolved twice")
	}
	f.value, f.err, f.panicked = value, err, panicked
	if core.RaceHidden {
		core.RaceEnable()
		f.published.Store(true)
		core.RaceDisable()
	}
	f.resolved.Store(true)
	done := f.done.Load()
	f.mu.Unlock()
	core.RaceEnable()
	if done != nil {
		close(done)
	}
}
