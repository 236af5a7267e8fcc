package group

import "github.com/coterie-go/coterie/core"

// A Job is what an [Engine] runs.
type Job interface {
	// Run does the work. It may block, panic and call runtime.Goexit.
	Run()
	// Aborted is called in the task's goroutine when Run has panicked, with
	// the panic, or has called runtime.Goexit, with nil. It reports whether
	// that is dealt with; if not, the panic policy is applied. Under the policy
	// Crash it is not called for a panic.
	Aborted(p *core.PanicError) bool
}
