package service

import (
	"context"
	"slices"
	"sync"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// This file holds what happens in the goroutines of the services, which are tasks of
// one group. An attempt is one call of a Run. It reaches the goroutine of the runner
// by two notes at most: that it is ready, and that it has ended. The channel of notes
// has no buffer, so each note is taken by the runner or, once Run has returned, known
// not to be.

// An attempt is one call of a service's Run.
type attempt struct {
	member *member
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// A note is what an attempt has to say.
type note struct {
	attempt *attempt
	ready   bool  // else Run has ended
	err     error // what Run returned, its panic, or core.ErrGoexit
	exited  bool  // by Goexit
}

// put hands n to the runner, and reports false if the Run of the runner has returned.
func (r *runner) put(n note) bool {
	select {
	case r.notes <- n:
		return true
	case <-r.over:
		return false
	}
}

// begin calls the Run of m in a new goroutine.
func (r *runner) begin(m *member) *attempt {
	named, _ := sched.WithName(r.values, m.Name)
	ctx, cancel := context.WithCancelCause(named)
	a := &attempt{m, ctx, cancel}
	r.group.GoNamed(m.Name, func() { a.run(r.put) })
	return a
}

// run calls Run and puts a note of how it ended. A panic that comes too late for a
// note crashes.
func (a *attempt) run(put func(note) bool) {
	end := note{attempt: a, exited: true}
	defer func() {
		p, panicked := end.err.(*core.PanicError)
		if !put(end) && panicked {
			p.Raise()
		}
	}()
	ready := sync.OnceFunc(func() { put(note{attempt: a, ready: true}) })
	core.Call(func() { end.err = a.member.Run(a.ctx, ready) }, func(p *core.PanicError) {
		end.err = core.ErrGoexit
		if p != nil {
			end.err = p
		}
	})
	end.exited = false
}

// report returns where m stands, of what is known about all that run, and why nobody
// waits for it any longer.
func (m *member) report(all *core.StuckError, cause error) *core.StuckError {
	stuck := *all
	stuck.Kind, stuck.Owner, stuck.Running, stuck.Cause = "service", m.path, 1, cause
	stuck.Tasks = slices.DeleteFunc(slices.Clone(all.Tasks), func(t core.Task) bool { return t.Name != m.path })
	return &stuck
}
