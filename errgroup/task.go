package errgroup

import (
	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A task is a function that a Group runs. It is kept to two words, because with
// more the engine's queue is slower by a half.
type task struct {
	f       func() error
	failure *failure // what to make of an error
}

func (t task) Run() {
	if err := t.f(); err != nil {
		t.failure.group.Load().fail(t.failure, err)
	}
}

// Aborted ends a task that has panicked, or, if p is nil, has called Goexit.
func (t task) Aborted(p *core.PanicError) bool {
	g := t.failure.group.Load()
	err := core.ErrGoexit
	if p != nil {
		err = p
	}
	if g.panics == group.Capture {
		g.fail(t.failure, err)
	} else {
		g.engine.Fail(p) // first, so that no panic of a cancelled sibling comes before it
		g.stop(err)
	}
	return true
}
