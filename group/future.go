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
	state atomic.Uint32 // resolved and awaited

	// published orders the resolver before those that find resolved set, for
	// the race detector, from which state is hidden: it would order more than that.
	published atomic.Bool

	mu   sync.Mutex                  // nothing blocks while it is held
	done core.Guarded[chan struct{}] // made by the first who waits; guarded by mu

	// What follows is written before resolved is set and read after.

	value    T
	err      error
	panicked *core.PanicError

	help func() // see Promise.Help; nil for most
}

// The bits of a future's state.
const (
	resolved = 1 << iota // there is a result
	awaited              // done was made before there was
)

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
	done := f.done.Load()
	if done == nil {
		done = make(chan struct{})
		if !f.state.CompareAndSwap(0, awaited) {
			close(done)
		}
		f.done.Store(done)
	}
	f.mu.Unlock()
	core.RaceEnable()
	f.ready()
	return done
}

// ready reports whether there is a result.
func (f *Future[T]) ready() bool {
	core.RaceDisable()
	ready := f.state.Load()&resolved != 0
	core.RaceEnable()
	if core.RaceHidden && ready {
		f.published.Load()
	}
	return ready
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
	if f.ready() {
		panic("group: promise resolved twice")
	}
	f.value, f.err, f.panicked = value, err, panicked
	if core.RaceHidden {
		f.published.Store(true)
	}
	core.RaceDisable()
	done, first := f.settle()
	core.RaceEnable()
	if !first {
		panic("group: promise resolved twice")
	}
	if done != nil {
		close(done)
	}
}

// settle sets resolved, and returns the channel that is to be closed, if there is one.
// It reports false if resolved was set.
func (f *Future[T]) settle() (chan struct{}, bool) {
	if f.state.CompareAndSwap(0, resolved) {
		return nil, true
	}
	if f.state.Or(resolved)&resolved != 0 {
		return nil, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done.Load(), true
}
