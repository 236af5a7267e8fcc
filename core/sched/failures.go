package sched

import (
	"runtime"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/bridge"
	"github.com/coterie-go/coterie/core/race"
)

// This file passes the panics and Goexits of tasks to the waiters. A set of tasks keeps them. The
// worker that ends the last task gives them to every blocked waiter. A wait that finds no task left
// takes them itself. So each wait that is blocked at that moment raises them, and no later wait
// does.

// failures holds the panics and Goexits of tasks since the last wait. The scheduler's mu guards it
// until a wait takes it.
type failures struct {
	panics []*core.PanicError // at most maxPanics, of different origins
	more   int                // further panics
	exits  bool               // a task called Goexit
}

const (
	maxOthers = 32 // as the documentation of core.PanicError says
	maxPanics = 1 + maxOthers
)

// addLocked adds a panic, or a Goexit if p is nil, to *r, the failures of owner, and makes *r if it
// is nil. The process ends with the panic if owner is garbage-collected while *r has a panic that
// no Get has raised: nothing can wait for owner then. If the panic's value points back to owner,
// owner is never collected.
func addLocked[T any](r **failures, owner *T, p *core.PanicError) {
	if *r == nil {
		*r = new(failures)
		runtime.AddCleanup(owner, endUnraised, *r)
	}
	(*r).add(p)
}

// empty reports whether a wait would raise nothing. r may be nil.
func (r *failures) empty() bool { return r == nil || len(r.panics) == 0 && !r.exits }

// addAll adds the panics and Goexits of other.
func (r *failures) addAll(other *failures) {
	for _, p := range other.panics {
		r.add(p)
	}
	r.more += other.more
	r.exits = r.exits || other.exits
}

// add adds a panic, or a Goexit if p is nil. A panic that arrives twice, for example from Get and
// from Wait, counts once: as one that no Get has raised, if either is.
func (r *failures) add(p *core.PanicError) {
	if p == nil {
		r.exits = true
		return
	}
	for i, known := range r.panics {
		if origin(known) == origin(p) {
			if !bridge.RaisedOf(p).IsSet() {
				r.panics[i] = p
			}
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
func (r *failures) takeLocked() *failures {
	if r.empty() {
		return nil
	}
	taken := *r
	*r = failures{}
	return &taken
}

// putBackLocked undoes takeLocked.
func (r *failures) putBackLocked(taken *failures) {
	*r = failures{append(taken.panics, r.panics...), r.more + taken.more, r.exits || taken.exits}
}

// all returns the panics as one, or nil, and whether a task called Goexit.
func (r *failures) all() (p *core.PanicError, exits bool) {
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

// raise panics with the panics as one, or else calls Goexit if a task has. It returns if there is
// neither. r may be nil.
func (r *failures) raise() {
	p, exits := r.all()
	if p != nil {
		p.Raise()
	}
	if exits {
		runtime.Goexit()
	}
}

// endUnraised ends the process if there is a panic that no Wait or Get has raised.
func endUnraised(collected *failures) {
	var unraised []*core.PanicError
	for _, p := range collected.panics {
		if !bridge.RaisedOf(p).IsSet() {
			unraised = append(unraised, p)
		}
	}
	if p := Combine(unraised...); p != nil {
		p.Raise()
	}
}

// Combine makes one panic of several. It returns the first, with the others and their Others as its
// Others. A panic that arrives twice counts once. Combine keeps at most 32 Others, and counts the
// rest in More. It ignores nil. It returns nil if all are nil.
func Combine(panics ...*core.PanicError) *core.PanicError {
	var all failures
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
	if raised := bridge.RaisedOf(p); raised != nil {
		return raised.First()
	}
	return p
}
