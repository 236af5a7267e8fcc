package chaos_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// A waitCall is a Wait, a WaitContext, or the end of a scope.
type waitCall struct {
	o        *ownerRun
	key      int // of a WaitKey; anyKey
	began    int64
	name     string
	covered  []*record // accepted before it began
	alone    bool      // no other overlaps it
	deadline int64     // when it gives up; -1: never
	cause    error     // why
	err      error     // what it returned
	byErr    bool      // and that is what Err returned after it
}

// waits begins a waitCall.
func (o *ownerRun) waits(name string, key int) *waitCall {
	w := &waitCall{o: o, key: key, began: o.run.now(), name: name, alone: true, deadline: -1}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.records {
		if r.accepted.Load() && w.isFor(r) {
			w.covered = append(w.covered, r)
		}
	}
	for other := range o.waiting {
		other.alone, w.alone = false, false
	}
	o.waiting[w] = struct{}{}
	return w
}

// isFor reports whether the wait is for tasks of the record's key.
func (w *waitCall) isFor(r *record) bool { return w.key == anyKey || w.key == r.key }

// cover adds the tasks that were started by tasks that are covered.
func (w *waitCall) cover() {
	known := make(map[*record]bool, len(w.covered))
	for _, r := range w.covered {
		known[r] = true
	}
	for _, r := range w.o.records {
		if !known[r] && w.isFor(r) && r.accepted.Load() && slices.ContainsFunc(r.parents, func(p *record) bool { return known[p] }) {
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
	o.gaveUp = o.run.now()
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
	} else if o.batch != nil { // its error counts as told, however the wait has ended
		o.rounds++
	}
}

// repeats reports whether a path in the text has the name twice in a row. The name o1 is no part of o12.
func repeats(text, name string) bool {
	return regexp.MustCompile(`\b` + name + "/" + name + `\b`).MatchString(text)
}

// stuck checks a wait that has given up. The caller holds the owner's mu.
func (w *waitCall) stuck(err *stuckError) {
	now, name := w.o.run.now(), w.o.node.name
	if features.on(nothingStuck) && left(err) == 0 && !w.o.root().hasDropped() {
		w.o.run.violation("%s gives up, and says that nothing is left", w.name)
	}
	if features.on(namesOnce) && name != "" && repeats(err.Error(), name) {
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
		if s == sealed { // a task that the Shutdown has dropped is also sealed by others
			return !features.on(nothingStuck) || strings.Contains(w.err.Error(), " dropped")
		}
		return s == fresh || s == begun || s == ended && r.ended == now
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
			if r.owner == o && w.isFor(r) && r.state.Load() == ended && r.out.goexits() {
				r.told = true // if it ended in time
			}
		}
	}
}

func (w *waitCall) raisedGoexit(panics int) {
	o, found := w.o, false
	for _, r := range o.records {
		if r.owner == o && w.isFor(r) && r.state.Load() == ended && r.out.goexits() && r.sinks.goexits == byWait {
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
		if r.owner == o && w.isFor(r) && r.state.Load() == ended && r.out.panics() && r.sinks.panics == byWait {
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
		if !slices.ContainsFunc(o.records, func(r *record) bool { return w.isFor(r) && r.state.Load() == ended && r.raises(key) }) {
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
