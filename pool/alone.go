package pool

import (
	"context"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// In a -race build that hides the bookkeeping every task has a goroutine of its
// own, which is ordered after the task's submission, and before the return of the
// waits that cover it, and with nothing else.

// A handed task carries the edge from its submission to its run.
type handed struct {
	task
	over atomic.Bool
	name core.Guarded[string]
}

// alone makes a task ready to be run by executeAlone, in a build that needs it.
func alone(t task) task {
	if !core.RaceHidden {
		return t
	}
	h := &handed{task: t}
	_, name := t.scope()
	h.name.Store(name)
	h.over.Store(true)
	return h
}

func (h *handed) run() error {
	h.over.Load()
	return h.task.run()
}

func (h *handed) drop(err error) {
	h.over.Load()
	h.task.drop(err)
}

func (h *handed) scope() (context.Context, string) {
	h.over.Load()
	return h.task.scope()
}

// nameOf returns the name of a task that has one of its own.
func nameOf(t task) string {
	if h, ok := t.(*handed); ok {
		return h.name.Load()
	}
	_, name := t.scope()
	return name
}

// executeAlone runs the task of a turn in a goroutine of its own, and returns when
// it has ended, without an edge from it.
func (p *Pool) executeAlone(t *turn) {
	core.RaceDisable()
	p.working.Add(1)
	if t.batch != nil {
		t.batch.unended.Add(1)
	}
	ended := make(chan struct{})
	go p.runAlone(t.task, t.batch, t, ended)
	<-ended
	core.RaceEnable()
}

// runAlone uses only what is Guarded of the turn.
func (p *Pool) runAlone(task task, b *Batch, of *turn, ended chan struct{}) {
	p.born.Load()
	of.goroutine.Store(group.GoroutineID())
	t := turn{ticket: ticket{task, b}}
	defer func() {
		if t.end.Load() == crashed {
			return
		}
		of.end.Store(t.end.Load())
		of.cause.Store(t.cause.Load())
		of.goroutine.Store(0)
		if b != nil {
			b.unended.Done()
		}
		p.working.Done()
		core.RaceDisable()
		close(ended)
		core.RaceEnable()
	}()
	core.Call(func() {
		p.label(&t)
		t.run()
	}, func(pe *core.PanicError) { p.aborted(&t, pe) })
}
