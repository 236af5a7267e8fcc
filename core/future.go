package core

import (
	"context"
	"runtime"
	"sync"

	"github.com/coterie-go/coterie/core/internal/bridge"
	"github.com/coterie-go/coterie/core/race"
)

// This file passes the result of a task to the goroutines that wait for it.

// A Future holds the result of a task. Fork and Submit make it.
//
// In the terminology of [the Go memory model], the end of the task "synchronizes before" the
// return of any Get or GetContext that returns its result, and before the close of Done.
//
// [the Go memory model]: https://go.dev/ref/mem
type Future[T any] struct {
	state race.Uint64 // resolved and awaited
	ended race.Point  // from the end of the task to the goroutines that find resolved set

	mu   sync.Mutex    // nothing blocks while it is held
	done chan struct{} // made by the first waiter; guarded by mu

	// Written before resolved is set, read after.

	value    T
	err      error
	panicked *PanicError

	// Written before the future is returned to a user.

	help    func(ctx context.Context) // see Promise.Help; may be nil
	watched bool                      // see Promise.Watch
	owner   uint32                    // see Promise.Owned
}

// The bits of a future's state.
const (
	resolved = 1 << iota // there is a result
	awaited              // done was made before there was a result
)

// Get blocks until the task has ended, and returns the task's value and error. Get panics with the
// *[PanicError], as [PanicError.Raise] does, if the task panicked. Get returns [ErrGoexit] if the
// task called Goexit. Under the policy [Crash] Get does not return if the task panics. Get may be
// called again, and by several goroutines.
func (f *Future[T]) Get() (T, error) {
	if !f.ready() && !f.helped(nil) {
		if f.owner != 0 {
			defer bridge.NoteWait(f.owner)()
		}
		<-f.Done()
	}
	return f.result()
}

// GetContext is Get, but returns [context.Cause] of ctx if ctx is done before the task has ended.
// The task runs on, and Get and GetContext can be called again. GetContext returns the result of a
// task that has ended even if ctx is done. GetContext panics if ctx is nil.
func (f *Future[T]) GetContext(ctx context.Context) (T, error) {
	if ctx == nil {
		panic("core: nil context")
	}
	if f.ready() || ctx.Err() == nil && f.helped(ctx) {
		return f.result()
	}
	if f.owner != 0 {
		defer bridge.NoteWait(f.owner)()
	}
	select {
	case <-f.Done():
		return f.result()
	case <-ctx.Done():
		if f.ready() { // the select chooses one of several at random
			return f.result()
		}
		var zero T
		return zero, context.Cause(ctx)
	}
}

// Done returns a channel that is closed when the task has ended. Each call returns the same
// channel. Under the policy [Crash] the channel is not closed if the task panics.
func (f *Future[T]) Done() <-chan struct{} {
	done := race.Get(f.makeDone)
	f.ready()
	return done
}

func (f *Future[T]) makeDone() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done == nil {
		f.done = make(chan struct{})
		if !f.state.CompareAndSwap(0, awaited) {
			race.Close(f.done)
		}
	}
	return f.done
}

// ready reports whether there is a result.
func (f *Future[T]) ready() bool {
	if f.state.Load()&resolved == 0 {
		return false
	}
	f.ended.Acquire()
	return true
}

// helped calls the function that was given to Promise.Help. It reports whether there is a result
// after that.
func (f *Future[T]) helped(ctx context.Context) bool {
	if f.help == nil {
		return false
	}
	f.help(ctx)
	return f.ready()
}

func (f *Future[T]) result() (T, error) {
	if f.panicked != nil {
		f.panicked.byGet.Set()
		f.panicked.Raise()
	}
	return f.value, f.err
}

func (f *Future[T]) resolve(value T, err error, panicked *PanicError) {
	if f.ready() {
		panic("core: promise resolved twice")
	}
	f.value, f.err, f.panicked = value, err, panicked
	if panicked != nil && f.watched {
		runtime.AddCleanup(f, endUnraised, panicked)
	}
	f.ended.Release()
	if f.state.CompareAndSwap(0, resolved) {
		return
	}
	if f.state.Or(resolved)&resolved != 0 {
		panic("core: promise resolved twice")
	}
	close(race.Get(f.makeDone))
}

// endUnraised ends the process with p if no Get has raised p.
func endUnraised(p *PanicError) {
	if !p.byGet.IsSet() {
		p.Raise()
	}
}
