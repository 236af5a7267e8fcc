package errgroup

import (
	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A task is a function that a Group runs. It is kept to two words, because with
// more the engine's queue is slower by a half.
type task struct {
	f    func() error
	mark *mark
}

func (t task) Run() {
	if err := t.f(); err != nil {
		t.mark.group().fail(t.mark, err)
	}
}

// serve is the life of a goroutine that is started for the task.
func (t task) serve() { t.mark.group().engine.Serve(t) }

// Aborted ends a task that has panicked, or, if p is nil, has called Goexit.
func (t task) Aborted(p *core.PanicError) bool {
	t.mark.group().aborted(t.mark, p)
	return true
}

// aborted records how a task has ended that has not returned.
func (g *Group) aborted(m *mark, p *core.PanicError) {
	err := core.ErrGoexit
	if p != nil {
		err = p
	}
	if group.PanicPolicy(g.panics) == group.Capture {
		g.fail(m, err)
		return
	}
	g.engine.Fail(p) // first, so that no panic of a cancelled sibling comes before it
	g.stop(err)
}
