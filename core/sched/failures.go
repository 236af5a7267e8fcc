package sched

import (
	"runtime"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/told"
	"github.com/coterie-go/coterie/core/race"
)

// This file passes the panics and Goexits of tasks to the waiters. A set of tasks keeps them
// in a round. The worker that ends the last task gives the round to every blocked waiter. A wait
// that finds no task left takes the round itself. So each wait that is blocked at that moment
// raises the round, and no later wait raises it.

// A round holds the panics and Goexits of tasks since the last wait. The scheduler's mu guards it
// until a wait takes it.
type round struct {
	panics []*core.PanicError // at most maxPanics, of different origins
	more   int                // further panics
	exits  bool               // a task called Goexit
}

const (
	maxOthers = 32 // as the documentation of core.PanicError says
	maxPanics = 1 + maxOthers
)

// addLocked adds a panic, or a Goexit if p is nil, to *r, the round of owner, and makes the round if it
// is nil. The process ends with the panic if owner is garbage-collected while the round has a panic
// that no Get has raised: nothing can wait for owner then. If the panic's value points back to owner,
// owner is never collected.
func addLocked[T any](r **round, owner *T, p *core.PanicError) {
	if *r == nil {
		*r = new(round)
		runtime.AddCleanup(owner, endUntold, *r)
	}
	(*r).add(p)
	if p != nil && !told.Of(p).IsSet() {
		(*r).renew(p)
	}
}

// renew replaces the panic of the same origin as p by p if a Get has raised it. Then a task has
// panicked with it again, and nobody has been told of that.
func (r *round) renew(p *core.PanicError) {
	for i, known := range r.panics {
		if told.Of(known).IsSet() && origin(known) == origin(p) {
			r.panics[i] = p
		}
	}
}

// empty reports whether a wait would raise nothing. r may be nil.
func (r *round) empty() bool { return r == nil || len(r.panics) == 0 && !r.exits }

// join adds the panics and Goexits of another round.
func (r *round) join(other *round) {
	for _, p := range other.panics {
		r.add(p)
	}
	r.more += other.more
	r.exits = r.exits || other.exits
}

// add adds a panic, or a Goexit if p is nil. A panic that arrives twice, for example from Get and
// from Wait, counts once.
func (r *round) add(p *core.PanicError) {
	if p == nil {
		r.exits = true
		return
	}
	for _, known := range r.panics {
		if origin(known) == origin(p) {
			return
		}
	}
	if len(r.panics) < maxPanics {
		r.panics = append(r.panics, p)
	} else {
		r.more++
	}
}

// takeLocked returns the failures of r for waits to raise, and empties r. It returns nil if r is
// nil or empty.
func (r *round) takeLocked() *round {
	if r.empty() {
		return nil
	}
	taken := *r
	*r = round{}
	return &taken
}

// putBackLocked undoes takeLocked.
func (r *round) putBackLocked(taken *round) {
	*r = round{append(taken.panics, r.panics...), r.more + taken.more, r.exits || taken.exits}
}

// all returns the panics of a round as one, or nil, and whether a task called Goexit.
func (r *round) all() (p *core.PanicError, exits bool) {
	if r == nil {
		return nil, false
	}
	got := race.Load(r)
	if p = Combine(race.Copy(got.panics)...); got.more > 0 {
		all := *p
		all.More += got.more
		p = &all
	}
	return p, got.exits
}

// raise panics with the panics of the round as one, or else calls Goexit if a task has. It returns
// if the round has neither. r may be nil.
func (r *round) raise() {
	p, exits := r.all()
	if p != nil {
		p.Raise()
	}
	if exits {
		runtime.Goexit()
	}
}

// endUntold ends the process if the round has a panic that no Wait or Get has raised.
func endUntold(collected *round) {
	var untold []*core.PanicError
	for _, p := range collected.panics {
		if !told.Of(p).IsSet() {
			untold = append(untold, p)
		}
	}
	if p := Combine(untold...); p != nil {
		p.Raise()
	}
}

// Combine makes one panic of several. It returns the first, with the others and their Others as its
// Others. A panic that arrives twice counts once. Combine keeps at most 32 Others, and counts the
// rest in More. It ignores nil. It returns nil if all are nil.
func Combine(panics ...*core.PanicError) *core.PanicError {
	var all round
	for _, p := range panics {
		if p == nil {
			continue
		}
		all.more += p.More
		all.add(p)
		for _, other := range p.Others {
			all.add(other)
		}
	}
	switch {
	case len(all.panics) == 0:
		return nil
	case len(all.panics) == 1 && all.more == 0:
		return all.panics[0]
	}
	first := *all.panics[0]
	first.Others, first.More = nil, all.more
	for _, p := range all.panics[1:] {
		first.Others = append(first.Others, withoutOthers(p))
	}
	return &first
}

// withoutOthers returns p without its Others.
func withoutOthers(p *core.PanicError) *core.PanicError {
	if len(p.Others) == 0 && p.More == 0 {
		return p
	}
	single := *p
	single.Others, single.More = nil, 0
	return &single
}

// origin returns a value that is equal for two PanicErrors of the same panic.
func origin(p *core.PanicError) any {
	if flag := told.Of(p); flag != nil {
		return flag.First()
	}
	return p
}

// withTask returns p with the path of the task that panicked. It returns p itself if p has a path,
// or the task has none. p and r may be nil.
func (r *record) withTask(p *core.PanicError) *core.PanicError {
	if p == nil || p.Task != "" || r == nil {
		return p
	}
	named := *p
	named.Task = r.path
	return &named
}
