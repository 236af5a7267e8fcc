package chaos_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
)

// A run is one execution of a tree. It counts every task.
type run struct {
	fake   bool          // in a testing/synctest bubble
	tick   time.Duration // what the tree's sleeps are counted in
	origin time.Time
	ids    atomic.Int64
	ends   sync.Map // from the reason of a cancellation to its instant; never, if a task has returned the reason

	mu    sync.Mutex
	wrong []string // what was violated
}

// maxWrong is how many violations of one tree are kept.
const maxWrong = 8

func (r *run) violation(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.wrong) < maxWrong {
		r.wrong = append(r.wrong, fmt.Sprintf("at tick %d: %s", time.Since(r.origin)/r.tick, text))
	}
}

// now is the instant. In fake time, two actions at different instants are ordered:
// the clock stands still until every goroutine of the bubble is blocked.
func (r *run) now() int64 { return int64(time.Since(r.origin)) }

func (r *run) ticks(n int) time.Duration { return time.Duration(n) * r.tick }

// sink is where something that a task raises or returns has to surface.
type sink int

const (
	nowhere sink = iota
	byWait       // raised by Wait, or by the end of a scope
	byError      // Wait returns it
	byHook       // OnPanic gets it
	byGet        // raised or returned by the future
)

// sinks are those of one task.
type sinks struct{ panics, goexits, errs sink }

// A record is what the oracle knows of one task.
//
// The plain fields arg and result have no synchronization but the toolkit's: arg
// is written before the task is started and read first in it, result is written
// last in it and read by those who have waited. A build with -race checks them.
type record struct {
	run        *run
	run0       func(ctx context.Context) error // what is given to the owner
	cleanup    context.CancelFunc              // of the context that it was started with
	body       bool                            // it is the body of a scope
	id         int
	task       *task // nil: one that does nothing
	owner      *ownerRun
	parents    []*record // the tasks of the same owner within which it was started
	sinks      sinks
	ctx        context.Context // what it was started with; nil: nothing
	life       context.Context // with which its own ends; ctx, but for a Replace within its key
	at         level           // the level it was started from
	called     int64           // when it was started
	submitter  *frame
	seq        int  // among what its submitter has started in this owner
	round      int  // how many Waits of the owner had ended by then
	inside     bool // by a task of the same owner, or of the same pool
	background bool
	key        int          // of a task with a key
	replaces   bool         // it was started by Replace
	inOwnKey   bool         // and by a task of the same key, with its context
	noEffect   atomic.Bool  // and it did nothing
	replacedAt atomic.Int64 // an instant by which it had replaced the others; 0: it may be about to
	before     []*record    // what it replaces

	arg      int
	state    atomic.Int32
	accepted atomic.Bool

	acceptedAt int64 // written before accepted

	// Written by the task before its state is begun, or else ended.
	begunAt int64
	out     outcome
	ended   int64
	cause   error // of a task with a key: why its context was done by then

	result int

	// Guarded by the owner's mu.
	told       bool // a Wait has raised what it raised
	toldGoexit bool
	hooked     int // calls of OnPanic
}

// The states of a record.
const (
	fresh   int32 = iota // has not begun
	begun                // runs
	ended                // has ended
	refused              // was not accepted, and so must not begin
	sealed               // was dropped, or its owner has ended: must not begin
)

var stateNames = [...]string{"not begun", "running", "ended", "refused", "dropped"}

// outcome is how a function has ended.
type outcome struct {
	end   ending
	value any   // of a panic
	err   error // what it returned
}

// A blast is the value of a panic.
type blast struct{ by int }

func (b *blast) String() string { return fmt.Sprintf("chaos: blast of %d", b.by) }

// A fault is the error of a task.
type fault struct{ by int }

func (f *fault) Error() string { return fmt.Sprintf("fault of %d", f.by) }

// A reason is the cause of a cancellation.
type reason struct{ by int }

func (r *reason) Error() string { return fmt.Sprintf("reason %d", r.by) }

// panics and goexits say what a function that ended so raises.
func (o outcome) panics() bool  { return o.end == endPanic || o.end == endPanicInGoexit }
func (o outcome) goexits() bool { return o.end == endGoexit || o.end == endGoexitInPanic }

// begin is the first thing that a task does.
func (r *record) begin() {
	if r.arg != r.id+1 {
		r.run.violation("task %d does not see what was written before it was started", r.id)
	}
	r.begunAt = r.run.now()
	if !r.state.CompareAndSwap(fresh, begun) {
		r.run.violation("task %d begins, which was %s", r.id, stateNames[r.state.Load()])
	}
	if o := r.owner; o != nil {
		o.begins(r, r.begunAt)
	}
}

// end is the last thing that a task does.
func (r *record) end() {
	if r.owner != nil {
		r.owner.ends(r)
	}
	r.ended = r.run.now()
	r.state.Store(ended)
	r.result = r.arg + 1
}

// refuse notes that the task was not accepted.
func (r *record) refuse() {
	if !r.state.CompareAndSwap(fresh, refused) {
		r.run.violation("task %d was refused, and is %s", r.id, stateNames[r.state.Load()])
	}
}

// settled checks a task that somebody has waited for.
func (r *record) settled(by string) {
	switch r.state.Load() {
	case ended:
		if r.result != r.id+2 {
			r.run.violation("%s does not see what task %d wrote", by, r.id)
		}
	case begun:
		r.run.violation("%s has returned, and task %d still runs", by, r.id)
	case fresh:
		if !r.mayDrop() {
			r.run.violation("%s has returned, and task %d has not run", by, r.id)
		} else if r.owner.pool != nil && !r.owner.pool.hasDropped() {
			r.checkWorker(r.doneAt())
		}
		if !r.state.CompareAndSwap(fresh, sealed) && r.state.Load() != sealed { // another wait may have sealed it
			r.run.violation("task %d began when %s had returned", r.id, by)
		}
	}
}

// mayDrop reports whether an accepted task may never run: a pool drops those whose
// context is done when their turn comes, and all that wait when a Shutdown gives up, and a Replace
// those that wait for the same key.
func (r *record) mayDrop() bool {
	if r.owner == nil || r.owner.pool == nil {
		return false
	}
	return r.skipped() || r.owner.wasReplaced(r) || r.owner.pool.hasDropped()
}

// skipped reports whether the task's context is done, so that it did not run if it was its turn.
func (r *record) skipped() bool {
	return r.ctx != nil && r.life.Err() != nil || slices.ContainsFunc(r.at.tasks, (*record).cancelled)
}

// raised is what a call raised.
type raised struct {
	value  any // of a panic; nil: none
	goexit bool
}

func (g raised) nothing() bool { return g.value == nil && !g.goexit }

func (g raised) String() string {
	switch {
	case g.goexit:
		return "Goexit"
	case g.value == nil:
		return "nothing"
	}
	text := fmt.Sprintf("panic %v", g.value)
	if len(text) > 1500 {
		text = text[:1500] + "..."
	}
	return text
}

// keysOf finds the blasts in the value of a panic: its own, and those of a
// PanicError's Others. ok is false if there is something else, too.
func keysOf(value any) (keys []*blast, ok bool) {
	switch v := value.(type) {
	case *blast:
		return []*blast{v}, true
	case *core.PanicError:
		keys, ok = keysOf(v.Value)
		for _, other := range v.Others {
			more, fine := keysOf(other)
			keys, ok = append(keys, more...), ok && fine
		}
		return keys, ok
	}
	return nil, false
}

// hasStack reports whether a panic still shows where it came from.
func hasStack(value any) bool {
	p, ok := value.(*core.PanicError)
	return !ok || strings.Contains(string(p.Stack), "blowUp")
}

// verify checks an owner that has ended: every task has run, or was dropped with
// reason, and everything that they raised has surfaced.
func (o *ownerRun) verify() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.records {
		if r.accepted.Load() {
			r.settled("the end of " + o.label)
		} else if s := r.state.Load(); s == begun || s == ended {
			o.run.violation("task %d was not accepted, and is %s", r.id, stateNames[s])
		}
		r.state.CompareAndSwap(fresh, sealed)
		if r.state.Load() == ended && r.owner == o {
			r.surfaced()
		}
		if r.cleanup != nil {
			r.cleanup()
		}
	}
	o.checkStats()
}

// surfaced checks that what the task raised went where it belongs.
func (r *record) surfaced() {
	panics, goexits := r.out.panics(), r.out.goexits()
	switch {
	case panics && r.sinks.panics == byHook:
		if r.hooked != 1 {
			r.run.violation("OnPanic was called %d times with the panic of task %d", r.hooked, r.id)
		}
		return
	case panics && r.sinks.panics == byWait, goexits && r.sinks.goexits == byWait:
		if !r.told && (features.on(panicBesideGoexit) || !r.owner.bodyGoexits()) && !r.owner.manyPanics() {
			r.run.violation("nobody was told that task %d ended by %s", r.id, endings[r.out.end])
		}
	}
	if r.hooked > 0 {
		r.run.violation("OnPanic was called for task %d, which ended by %s", r.id, endings[r.out.end])
	}
}

// manyPanics reports whether so many tasks panicked that not all have to be kept.
func (o *ownerRun) manyPanics() bool {
	n := 0
	for _, r := range o.records {
		if r.state.Load() == ended && r.out.panics() {
			n++
		}
	}
	return n > keptPanics
}

// hook is the owner's OnPanic.
func (o *ownerRun) hook(p *core.PanicError) {
	keys, ok := keysOf(p)
	if !ok || !hasStack(p) {
		o.run.violation("OnPanic of %s gets what no task raised: %v", o.label, p)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.records {
		// The task's own goroutine calls OnPanic, when the task has ended.
		if r.state.Load() == ended && r.out.panics() && r.sinks.panics == byHook {
			if mine, _ := keysOf(r.out.value); containsAny(mine, keys) {
				r.hooked++
				return
			}
		}
	}
	o.run.violation("OnPanic of %s gets a panic of no task: %v", o.label, p.Value)
}

// goroutines returns how many goroutines run: the largest of several counts. NumGoroutine may return
// too few while another goroutine exits.
func goroutines() (n int) {
	for range 10 {
		n = max(n, runtime.NumGoroutine())
		runtime.Gosched()
	}
	return n
}

// joined returns when no more goroutines run than before. If that never happens, watch ends the
// process.
func joined(before int) {
	for runtime.NumGoroutine() > before {
		runtime.Gosched()
	}
}
