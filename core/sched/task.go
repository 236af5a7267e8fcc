package sched

import "github.com/coterie-go/coterie/core"

// A Task is what a scheduler runs. It is an interface of one word beside its type, so
// that a function is a Task without an allocation.
type Task interface {
	// Run does the work. It may block, panic and call runtime.Goexit.
	Run(w *Worker)
}

// An Owner decides what becomes of the tasks that do not return.
type Owner interface {
	// Config returns the settings, always the same.
	Config() *Config
	// Aborted is called in the goroutine of t, which is of set, on top of the stack that
	// panicked with p, or, if p is nil, called runtime.Goexit. The task has not ended as
	// long as Aborted runs. If Aborted panics, the process ends.
	Aborted(s *Scheduler, set *Set, t Task, p *core.PanicError)
}

// Func is a task without a name and a context.
type Func func()

// Run calls the function.
func (f Func) Run(*Worker) { f() }
