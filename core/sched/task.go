package sched

import "github.com/coterie-go/coterie/core"

// A Task is what a scheduler runs. It is an interface, so that a function is a Task without an
// allocation.
type Task interface {
	// Run does the work. It may block, panic and call runtime.Goexit.
	Run(w *Worker)
}

// An Owner has the settings of its scheduler, and decides what a panic or Goexit of a task does.
type Owner interface {
	// Config returns the settings. Each call returns the same pointer.
	Config() *Config
	// The scheduler calls Aborted when t, a task of set, panics with p, or calls runtime.Goexit:
	// then p is nil. Aborted runs in the goroutine of t, on top of the stack that panicked. The
	// task has not ended while Aborted runs. If Aborted panics, the process ends.
	Aborted(s *Scheduler, set *Set, t Task, p *core.PanicError)
}

// Func is a task without a name and a context.
type Func func()

// Run calls the function.
func (f Func) Run(*Worker) { f() }
