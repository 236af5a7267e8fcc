package pool

import (
	"runtime/pprof"

	"github.com/coterie-go/coterie/core"
)

// A turn is a task that has been taken and runs or has run.
type turn struct {
	ticket
	end       core.Guarded[end]
	cause     core.Guarded[error]  // why it was skipped
	goroutine core.Guarded[uint64] // the task's, if executeAlone runs it
}

// An end is how a task ended.
type end int8

const (
	completed end = iota // by return or Goexit
	panicked
	skipped // it did not run, because its context was done
	crashed // by a panic that ends the process
)

// run runs the task.
func (t *turn) run() {
	if err := t.task.run(); err != nil {
		t.end.Store(skipped)
		t.cause.Store(err)
	}
}

// execute runs the task of a turn.
func (p *Pool) execute(t *turn) {
	if core.RaceHidden {
		p.executeAlone(t)
		return
	}
	if f, ok := t.task.(plain); ok && p.labels == nil {
		f()
		return
	}
	p.label(t)
	t.run()
}

// aborted is called in a goroutine whose task has panicked, or, if pe is nil, has
// called Goexit. A panic for which there is nobody ends the process: nothing
// recovers it, and the task does not end, because a Wait that returned meanwhile
// could let main exit with status 0.
//
// The goroutine may exit after a panic too: a task may have panicked in a deferred
// function, when it had called Goexit.
func (p *Pool) aborted(t *turn, pe *core.PanicError) {
	if pe != nil {
		t.end.Store(panicked)
	}
	switch {
	case t.task.aborted(pe):
	case t.batch != nil:
		t.batch.failures.Add(pe)
	case pe == nil:
	case p.options.OnPanic == nil:
		t.end.Store(crashed)
		panic(pe.Value)
	default:
		core.Call(func() { p.options.OnPanic(pe) }, func(again *core.PanicError) {
			if again != nil {
				t.end.Store(crashed)
				panic(again.Value)
			}
		})
	}
}

// endLocked counts a task that has ended, and reports whether it was the last of
// its batch, of which done is then to be called.
func (p *Pool) endLocked(t *turn) bool {
	cause := t.cause.Load()
	switch t.end.Load() {
	case panicked:
		p.panicked.Store(p.panicked.Load() + 1)
		t.end.Store(completed)
	case skipped:
		p.dropped.Store(p.dropped.Load() + 1)
		t.end.Store(completed)
		t.cause.Store(nil)
	}
	if t.batch == nil {
		return false
	}
	if cause != nil && t.batch.cause.Load() == nil {
		t.batch.cause.Store(cause)
	}
	return t.batch.endLocked()
}

// label gives the goroutine the pprof labels of the task of a turn.
func (p *Pool) label(t *turn) {
	if p.labels == nil {
		return
	}
	labels, _ := t.task.scope()
	if labels == nil {
		labels = p.labels
	}
	pprof.SetGoroutineLabels(labels)
}
