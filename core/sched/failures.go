package sched

import (
	"runtime"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/told"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds how the panics and Goexits of tasks reach those who wait. A set of tasks
// keeps them as a round. The worker that ends the last task gives the round to every waiter
// that is blocked; a wait that finds no task left takes it itself. So each wait that is under way
// raises the round, and no later one does.

// A round is what tasks raised since the last wait. The scheduler's mu guards it until it is
// taken.
type round struct {
	panics []*failure // at most maxPanics, of different origins
	more   int        // further panics
	exits  bool       // a task called Goexit
}

// A failure is one panic. Its Point orders the task's end before the waits that raise it.
type failure struct {
	panicked *core.PanicError
	added    race.Point
}

const (
	maxOthers = 32 // as core.PanicError says
	maxPanics = 1 + maxOthers
)

// failures keeps the round of a set of tasks. If the set is collected while that has a panic
// which no Get has raised either, the process ends with that panic. A panic whose value leads
// back to the set prevents that, because the set is never collected then.
type failures struct {
	kept *round // nil until a task fails
}

// addLocked keeps a panic, or a Goexit if f has none. Owner is what a wait is called on.
func addLocked[T any](fs *failures, owner *T, f *failure) {
	if fs.kept == nil {
		fs.kept = new(round)
		runtime.AddCleanup(owner, endUntold, fs.kept)
	}
	fs.kept.add(f)
}

// empty reports whether there is nothing to raise.
func (fs *failures) empty() bool {
	return fs.kept == nil || len(fs.kept.panics) == 0 && !fs.kept.exits
}

// join adds what another round has.
func (r *round) join(other *round) {
	for _, f := range other.panics {
		r.add(f)
	}
	r.more += other.more
	r.exits = r.exits || other.exits
}

func (r *round) add(f *failure) {
	if f.panicked == nil {
		r.exits = true
		return
	}
	for _, known := range r.panics {
		if origin(known.panicked) == origin(f.panicked) {
			return
		}
	}
	if len(r.panics) < maxPanics {
		r.panics = append(r.panics, f)
	} else {
		r.more++
	}
}

// takeLocked returns what waits have to raise, or nil, and begins a new round.
func (fs *failures) takeLocked() *round {
	if fs.empty() {
		return nil
	}
	taken := *fs.kept
	*fs.kept = round{}
	return &taken
}

// putBackLocked undoes takeLocked.
func (fs *failures) putBackLocked(r *round) {
	*fs.kept = round{append(r.panics, fs.kept.panics...), r.more + fs.kept.more, r.exits || fs.kept.exits}
}

// all returns the panics of a round as one, or nil, and whether a task called Goexit.
func (r *round) all() (p *core.PanicError, exits bool) {
	if r == nil {
		return nil, false
	}
	// A race build does not see that the round was passed on; each failure has its edge.
	var panics []*core.PanicError
	got := race.Load(r)
	for _, f := range race.Copy(got.panics) {
		f.added.Acquire()
		panics = append(panics, f.panicked)
	}
	if p = Combine(panics...); got.more > 0 {
		all := *p
		all.More += got.more
		p = &all
	}
	return p, got.exits
}

// raise raises what tasks raised: their panics as one, or else a Goexit. It returns if
// there was neither.
func (r *round) raise() {
	p, exits := r.all()
	if p != nil {
		p.Raise()
	}
	if exits {
		runtime.Goexit()
	}
}

// endUntold ends the process if a panic was kept that nothing has told of.
func endUntold(kept *round) {
	var untold []*core.PanicError
	for _, f := range kept.panics {
		if !told.Of(f.panicked).IsSet() {
			untold = append(untold, f.panicked)
		}
	}
	if p := Combine(untold...); p != nil {
		p.Raise()
	}
}

// Combine makes one panic of several: the first, with the others, and theirs, as its Others.
// A panic that came by several ways, as by Get and by Wait, counts once. Combine keeps as
// many Others as PanicError says, and counts the rest. It ignores nil, and returns nil if
// there is nothing else.
func Combine(panics ...*core.PanicError) *core.PanicError {
	var all []*core.PanicError
	for _, p := range panics {
		if p != nil {
			all = append(append(all, p), p.Others...)
		}
	}
	if len(all) == 0 {
		return nil
	}
	first := *all[0]
	first.Others, first.More = nil, 0
	known := map[any]bool{origin(all[0]): true}
	for _, p := range all[1:] {
		if known[origin(p)] {
			continue
		}
		known[origin(p)] = true
		if len(first.Others) == maxOthers {
			first.More++
		} else {
			first.Others = append(first.Others, withoutOthers(p))
		}
	}
	for _, p := range panics {
		if p != nil {
			first.More += p.More
		}
	}
	if len(first.Others) == 0 && first.More == 0 {
		return all[0]
	}
	return &first
}

// withoutOthers returns p without its Others, which stand beside it.
func withoutOthers(p *core.PanicError) *core.PanicError {
	if len(p.Others) == 0 && p.More == 0 {
		return p
	}
	single := *p
	single.Others, single.More = nil, 0
	return &single
}

// origin returns what two PanicErrors have in common that tell of the same panic.
func origin(p *core.PanicError) any {
	if mark := told.Of(p); mark != nil {
		return mark
	}
	return p
}

// WithTask returns p with the path of the task that panicked, unless that is known.
func WithTask(p *core.PanicError, path string) *core.PanicError {
	if p == nil || p.Task != "" || path == "" {
		return p
	}
	named := *p
	named.Task = path
	return &named
}
