package chaos_test

import (
	"context"
	"errors"
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
	run       *run
	run0      func(ctx context.Context) error // what is given to the owner
	cleanup   context.CancelFunc
	body      bool // it is the body of a scope
	id        int
	task      *task // nil: one that does nothing
	owner     *ownerRun
	parents   []*record // the tasks of the same owner within which it was started
	sinks     sinks
	future    bool            // it has one
	ctx       context.Context // what it was started with; nil: nothing
	at        level           // the level it was started from
	called    int64           // when it was started
	submitter *frame
	seq       int  // among what its submitter has started in this owner
	round     int  // how many Waits of the owner had ended by then
	inside    bool // by a task of the same owner, or of the same pool

	arg      int
	state    atomic.Int32
	accepted atomic.Bool
	got      atomic.Bool // somebody has had the future's result

	// Written by the task before its state is ended.
	out   outcome
	ended int64

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
	if !r.state.CompareAndSwap(fresh, begun) {
		r.run.violation("task %d begins, which was %s", r.id, stateNames[r.state.Load()])
	}
	now := r.run.now()
	if o := r.owner; o != nil {
		o.begins(r, now)
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
		}
		if !r.state.CompareAndSwap(fresh, sealed) {
			r.run.violation("task %d began when %s had returned", r.id, by)
		}
	}
}

// mayDrop reports whether an accepted task may never run: a pool drops those whose
// context is done when their turn comes, and all that wait when a Shutdown gives up.
func (r *record) mayDrop() bool {
	if r.owner == nil || r.owner.pool == nil {
		return false
	}
	return r.ctx != nil && r.ctx.Err() != nil || r.owner.pool.hasDropped()
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

// A limiter counts what runs under one limit: of a group, of a semaphore, of a
// pool or of a loop. A task that waits for others of its own pool with its context
// lends its place, and is not counted meanwhile.
type limiter struct {
	run   *run
	name  string
	loops atomic.Bool // loops got workers here

	mu            sync.Mutex
	limit         int
	loose         int   // the highest limit of this instant
	high          int   // the highest since no more ran than the limit
	changed       int64 // when the limit was changed last
	running, lent int
}

const noLimit = 1 << 30

func newLimiter(r *run, name string, limit int) *limiter {
	return &limiter{run: r, name: name, limit: limit, loose: limit, high: limit, changed: -1}
}

// bound is how many may run when one more starts. A start that was granted before
// the limit was lowered may show at the same instant, but not later.
func (l *limiter) bound(now int64) int {
	switch {
	case !l.run.fake:
		return l.high
	case l.lent > 0:
		return l.high // on a place that is lent one may start in any case
	case now == l.changed:
		return l.loose
	}
	return l.limit
}

func (l *limiter) enter(n int, who string, id int) {
	if l == nil {
		return
	}
	now := l.run.now()
	l.mu.Lock()
	l.running += n
	active, bound := l.running-l.lent, l.bound(now)
	l.mu.Unlock()
	if active > bound {
		l.run.violation("%d run in %s, whose limit is %d, as %s %d begins", active, l.name, bound, who, id)
	}
}

func (l *limiter) leave(n int) {
	if l == nil {
		return
	}
	now := l.run.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running -= n
	if l.run.fake && l.running <= l.limit && now != l.changed {
		l.high = l.limit
	}
}

// set notes a new limit.
func (l *limiter) set(n int) {
	now := l.run.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if now != l.changed {
		l.loose = l.limit
	}
	l.loose, l.high = max(l.loose, n), max(l.high, n)
	l.limit, l.changed = n, now
}

// lend notes that a task waits with its context, and returns how to note that it
// goes on.
func (l *limiter) lend() (goOn func()) {
	if l == nil {
		return func() {}
	}
	l.lending(1)
	return func() { l.lending(-1) }
}

func (l *limiter) lending(n int) {
	l.mu.Lock()
	l.lent += n
	l.mu.Unlock()
}

// An order checks that tasks begin in the order in which they were started.
type order struct {
	mu     sync.Mutex
	called int64          // when the task that began last was started
	seqs   map[*frame]int // of each submitter, the last that began
	shared int            // by the tasks, without synchronization
}

func (o *order) begins(r *record) {
	if o == nil || r.inside {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.run.fake && r.called < o.called {
		r.run.violation("task %d begins after one that was started later", r.id)
	}
	if r.seq < o.seqs[r.submitter] {
		r.run.violation("task %d begins after one that the same function started later", r.id)
	}
	o.called, o.seqs[r.submitter] = max(o.called, r.called), r.seq
}

// A waitCall is a Wait, a WaitContext, or the end of a scope.
type waitCall struct {
	o        *ownerRun
	name     string
	covered  []*record // accepted before it began
	alone    bool      // no other overlaps it
	gaveUp   bool
	deadline int64 // when it gives up; -1: never
	cause    error // why
	err      error // what it returned
}

// waits begins a waitCall.
func (o *ownerRun) waits(name string) *waitCall {
	w := &waitCall{o: o, name: name, alone: true, deadline: -1}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.records {
		if r.accepted.Load() {
			w.covered = append(w.covered, r)
		}
	}
	for other := range o.waiting {
		other.alone, w.alone = false, false
	}
	o.waiting[w] = struct{}{}
	return w
}

// cover adds the tasks that were started by tasks that are covered.
func (w *waitCall) cover() {
	known := make(map[*record]bool, len(w.covered))
	for _, r := range w.covered {
		known[r] = true
	}
	for _, r := range w.o.records {
		if !known[r] && r.accepted.Load() && slices.ContainsFunc(r.parents, func(p *record) bool { return known[p] }) {
			known[r] = true
			w.covered = append(w.covered, r)
		}
	}
}

// ends checks what the call did.
func (w *waitCall) ends(got raised) {
	o := w.o
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.waiting, w)
	var stuck *stuckError
	if errors.As(w.err, &stuck) {
		w.stuck(stuck)
		return
	}
	w.cover()
	for _, r := range w.covered {
		r.settled(w.name)
	}
	w.checkRaised(got)
	if got.nothing() {
		w.checkError()
		o.rounds++
	}
}

// stuck checks a wait that has given up. The caller holds the owner's mu.
func (w *waitCall) stuck(err *stuckError) {
	now, name := w.o.run.now(), w.o.node.name
	if features.on(nothingStuck) && left(err) == 0 && !w.o.root().hasDropped() {
		w.o.run.violation("%s gives up, and says that nothing is left", w.name)
	}
	if features.on(namesOnce) && name != "" && strings.Contains(err.Error(), name+"/"+name) {
		w.o.run.violation("%s repeats a name: %.200s", w.name, err)
	}
	if w.deadline < 0 || !errors.Is(w.err, w.cause) {
		w.o.run.violation("%s gives up with %v, and not for %v", w.name, w.err, w.cause)
		return
	}
	if !w.o.run.fake {
		return
	}
	if now < w.deadline || now > w.deadline && !kinds[w.o.node.kind].pooled {
		w.o.run.violation("%s gives up at %d, its context was done at %d", w.name, now, w.deadline)
	}
	unfinished := func(r *record) bool {
		s := r.state.Load()
		return s == fresh || s == begun || s == ended && r.ended == now || s == sealed && !features.on(nothingStuck)
	}
	if !slices.ContainsFunc(w.o.records, unfinished) {
		w.o.run.violation("%s gives up although no task is left: %v", w.name, w.err)
	}
}

// checkRaised checks that what tasks raised, and nothing else, is raised. The
// caller holds the owner's mu.
func (w *waitCall) checkRaised(got raised) {
	o := w.o
	var wanted []*record
	goexits := 0
	for _, r := range w.covered {
		switch {
		case r.owner != o || r.state.Load() != ended || r.told:
		case r.out.panics() && r.sinks.panics == byWait:
			wanted = append(wanted, r)
		case r.out.goexits() && r.sinks.goexits == byWait:
			goexits++
		}
	}
	switch {
	case got.goexit:
		w.raisedGoexit(len(wanted))
	case got.value != nil:
		w.raisedPanic(got, wanted)
	case w.alone && len(wanted)+goexits > 0:
		o.run.violation("%s raises nothing; tasks that panicked %v, Goexits %d", w.name, idsOf(wanted), goexits)
	}
	if !got.nothing() && (got.value != nil || len(wanted) == 0) {
		for _, r := range o.records {
			if r.owner == o && r.state.Load() == ended && r.out.goexits() {
				r.told = true // if it ended in time
			}
		}
	}
}

func (w *waitCall) raisedGoexit(panics int) {
	o, found := w.o, false
	for _, r := range o.records {
		if r.owner == o && r.state.Load() == ended && r.out.goexits() && r.sinks.goexits == byWait {
			found = found || !r.toldGoexit || !w.alone
			r.toldGoexit = r.toldGoexit || slices.Contains(w.covered, r)
		}
	}
	if !found {
		o.run.violation("%s calls Goexit, and no task has", w.name)
	}
	if panics > 0 && w.alone && (!o.bodyGoexits() || features.on(panicBesideGoexit)) {
		o.run.violation("%s calls Goexit, and %d tasks have panicked", w.name, panics)
	}
}

// keptPanics is up to how many panics of one round have all to be raised.
const keptPanics = 8

func (w *waitCall) raisedPanic(got raised, wanted []*record) {
	o := w.o
	keys, ok := keysOf(got.value)
	if !ok {
		o.run.violation("%s raises what no task raised: %v", w.name, got)
		return
	}
	if !hasStack(got.value) {
		o.run.violation("%s raises a panic without the stack of its origin: %v", w.name, got)
	}
	for _, r := range o.records {
		if r.owner == o && r.state.Load() == ended && r.out.panics() && r.sinks.panics == byWait {
			if mine, _ := keysOf(r.out.value); containsAny(keys, mine) {
				if r.told && w.alone && !o.raisedTwice(r) {
					o.run.violation("%s raises the panic of task %d again", w.name, r.id)
				}
				r.told = true
			}
		}
	}
	for _, r := range wanted {
		if !r.told && w.alone && len(keys) < keptPanics {
			o.run.violation("%s does not raise the panic of task %d, but %v", w.name, r.id, got)
		}
	}
	for _, key := range keys {
		if !slices.ContainsFunc(o.records, func(r *record) bool { return r.state.Load() == ended && r.raises(key) }) {
			o.run.violation("%s raises %v, which no task raised", w.name, key)
		}
	}
}

// raisedTwice reports whether another task has raised the same value, which it got
// from what it waited for.
func (o *ownerRun) raisedTwice(r *record) bool {
	mine, _ := keysOf(r.out.value)
	for _, other := range o.records {
		if other != r && other.state.Load() == ended && other.out.panics() {
			if keys, _ := keysOf(other.out.value); containsAny(keys, mine) {
				return true
			}
		}
	}
	return false
}

func (r *record) raises(key *blast) bool {
	if !r.out.panics() {
		return false
	}
	keys, _ := keysOf(r.out.value)
	return slices.Contains(keys, key)
}

func (r *record) raisesAny(keys []*blast) bool { return slices.ContainsFunc(keys, r.raises) }

func containsAny(keys, mine []*blast) bool {
	return slices.ContainsFunc(mine, func(k *blast) bool { return slices.Contains(keys, k) })
}

func idsOf(records []*record) []int {
	ids := make([]int, len(records))
	for i, r := range records {
		ids[i] = r.id
	}
	return ids
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

// hasGoroutine waits until no more goroutines run than before.
func (r *run) leaks(before int) {
	for i := range 2000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		if i > 100 {
			time.Sleep(time.Millisecond)
		}
		runtime.Gosched()
	}
	r.violation("%d goroutines are left, there were %d", runtime.NumGoroutine(), before)
}
