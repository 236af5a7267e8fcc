package errgroup

import (
	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A task is a function that a Group runs.
type task struct {
	group  *Group
	f      func() error
	number uint64  // its place among the errors, if the group collects them
	path   *string // nil for a task without a name of its own
}

func (t task) Run() {
	if err := t.f(); err != nil {
		t.group.fail(t.number, t.path, err)
	}
}

// Aborted ends a task that has panicked, or, if p is nil, has called Goexit.
func (t task) Aborted(p *core.PanicError) bool {
	err := core.ErrGoexit
	if p != nil {
		err = p
	}
	if t.group.rules.panics == group.Capture {
		t.group.fail(t.number, t.path, err)
	} else {
		t.group.engine.Fail(p) // first, so that no panic of a cancelled sibling comes before it
		t.group.stop(err)
	}
	return true
}
