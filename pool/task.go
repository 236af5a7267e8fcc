package pool

import (
	"context"

	"github.com/coterie-go/coterie/core"
)

// A task is what a pool runs.
type task interface {
	// run runs the task, which may panic and call Goexit. It returns an error
	// if it did not run the task, because that has a context which is done.
	run() error
	// aborted is called, in the goroutine of run, when that has panicked, with
	// the panic, or has called Goexit, with nil. It reports whether somebody
	// who waits for this task alone will be told.
	aborted(p *core.PanicError) bool
	// drop is called instead of run if the task will never run.
	drop(err error)
	// scope is the context that holds the task's pprof labels, and the task's
	// name; nil if they are the pool's.
	scope() (labels context.Context, name string)
}

// A plain task has no context.
type plain func()

func (f plain) run() error { f(); return nil }

func (plain) aborted(*core.PanicError) bool { return false }

func (plain) drop(error) {}

func (plain) scope() (context.Context, string) { return nil, "" }

// A contextTask has a context.
type contextTask struct {
	taskContext
	f func(ctx context.Context)
}

func (t *contextTask) run() error {
	f := t.f
	t.f = nil
	if t.Err() != nil {
		return context.Cause(&t.taskContext)
	}
	f(&t.taskContext)
	t.ended.Store(true)
	return nil
}

func (t *contextTask) aborted(*core.PanicError) bool {
	t.ended.Store(true)
	return false
}

func (t *contextTask) drop(error) {}
