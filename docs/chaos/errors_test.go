package chaos_test

import (
	"context"
	"errors"
	"slices"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

// partsOf takes joined errors apart.
func partsOf(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var parts []error
		for _, part := range joined.Unwrap() {
			parts = append(parts, partsOf(part)...)
		}
		return parts
	}
	return []error{err}
}

// A failure is something that an errgroup's Wait may return.
type failure struct {
	record *record // nil: a call of Cancel
	cause  error   // of that
	at     int64
}

// is reports whether part tells of the failure.
func (f failure) is(part error) bool {
	if f.record == nil {
		return errors.Is(part, f.cause)
	}
	out := f.record.out
	var p *core.PanicError
	switch {
	case out.end == endFail:
		return errors.Is(part, out.err)
	case out.panics():
		if !errors.As(part, &p) {
			return false
		}
		mine, _ := keysOf(out.value)
		keys, ok := keysOf(p)
		return ok && containsAny(keys, mine)
	}
	return errors.Is(part, core.ErrGoexit)
}

// failures lists those of the group, in the order in which its tasks were started.
// The caller holds mu.
func (o *ownerRun) failures(records []*record) []failure {
	var all []failure
	for _, r := range records {
		if r.state.Load() != ended {
			continue
		}
		failed := r.out.end == endFail && r.sinks.errs == byError ||
			r.out.panics() && r.sinks.panics == byError ||
			r.out.goexits() && r.sinks.goexits == byError
		if failed {
			all = append(all, failure{record: r, at: r.ended})
		}
	}
	for _, c := range o.cancels {
		all = append(all, failure{cause: c.cause, at: c.at})
	}
	return all
}

// checkError checks what a Wait that has raised nothing returned. The caller holds
// the owner's mu.
func (w *waitCall) checkError() {
	o := w.o
	switch {
	case o.node.kind == batchOf:
		w.checkBatchError()
		return
	case o.keyed != nil:
		w.checkKeyedError()
		return
	case !kinds[o.node.kind].errs:
		if w.err != nil {
			o.run.violation("%s returns %v", w.name, w.err)
		}
		return
	case o.node.capture && errors.Is(context.Cause(o.outer), core.ErrGoexit) && !features.on(goexitIsNoEcho):
		return
	}
	all, parts := o.failures(o.records), partsOf(w.err)
	outside := o.outer.Err() != nil || o.rounds > 0 || o.node.kind == errZero
	real, maybe, ambiguous := 0, 0, 0
	for _, part := range parts {
		parents := o.outer.Err() != nil && slices.Contains(partsOf(context.Cause(o.outer)), part)
		if parents && part == core.ErrGoexit {
			ambiguous++ // the parent's reason, or a task's own Goexit
		}
		switch {
		case slices.ContainsFunc(all, func(f failure) bool { return f.is(part) }):
			real++
		case o.echoes(part):
			maybe++
		case parents || o.outer.Err() != nil && (errors.Is(part, context.Cause(o.outer)) || errors.Is(part, o.outer.Err())):
		case outside && (errors.Is(part, context.Canceled) || errors.Is(part, context.DeadlineExceeded)):
		case o.node.maxErrors > 0 && len(parts) > o.node.maxErrors:
		default:
			o.run.violation("%s returns %v, which no task did", w.name, part)
		}
	}
	if o.node.collect {
		w.checkCollected(parts, real, ambiguous)
	} else {
		w.checkFirst(parts, real, maybe, ambiguous)
	}
}

// echoes reports whether part is what a task says of its context: of its own, which
// is an error like any other, or of the group's, which another task has ended by a
// panic or a Goexit that another Wait has raised.
func (o *ownerRun) echoes(part error) bool {
	return slices.ContainsFunc(o.records, func(r *record) bool {
		switch {
		case r.state.Load() != ended:
			return false
		case r.background && (r.out.end == endEcho || r.out.end == endServe):
			return false // it may report that its context is done
		case r.out.end == endEcho:
			return errors.Is(part, r.out.err)
		case !r.out.panics() && !r.out.goexits():
			return false
		}
		return errors.Is(part, context.Canceled) || failure{record: r}.is(part)
	})
}

// checkFirst checks the error of a group that fails fast: the first.
func (w *waitCall) checkFirst(parts []error, real, maybe, ambiguous int) {
	o := w.o
	covered := o.failures(w.covered)
	if len(covered) == 0 {
		return
	}
	if real == 0 && maybe == 1 {
		return // a task's own context was done before any task failed
	}
	if real == 0 && !o.run.fake && !slices.ContainsFunc(covered, func(f failure) bool { return f.record != nil }) {
		return // in real time the wait may end before the call of Cancel, which is noted before it
	}
	if real < 1 || real-ambiguous > 1 {
		o.run.violation("%s returns %d errors of tasks, want the first of %d: %v", w.name, real, len(covered), w.err)
		return
	}
	if !o.run.fake || o.outer.Err() != nil {
		return
	}
	first := covered[0].at
	for _, f := range covered {
		first = min(first, f.at)
	}
	for _, f := range o.failures(o.records) {
		if f.at <= first && f.is(parts[0]) {
			return
		}
	}
	o.run.violation("%s returns %v, which is not the first error", w.name, w.err)
}

// checkCollected checks the errors of a group that collects them: all, or the
// first MaxErrors, in the order in which their tasks were started.
func (w *waitCall) checkCollected(parts []error, real, ambiguous int) {
	o := w.o
	covered, most := o.failures(w.covered), o.node.maxErrors
	if most > 0 && slices.ContainsFunc(o.records, func(r *record) bool { return r.state.Load() == ended && r.out.end == endEcho }) {
		return // an error of a task's own context counts
	}
	if most > 0 && len(o.failures(o.records)) > most { // also of tasks that were started while the wait was blocked
		if len(covered) > most && (real < most || real-ambiguous > most) && len(o.cancels) == 0 {
			o.run.violation("%s returns %d errors of tasks, want %d: %v", w.name, real, most, w.err)
		}
		return
	}
	last := make(map[*frame]int)
	for _, part := range parts {
		for _, f := range covered {
			if f.record == nil || !f.is(part) || f.record.out.end != endFail {
				continue
			}
			if r := f.record; r.seq < last[r.submitter] {
				o.run.violation("%s returns the error of task %d out of order: %v", w.name, r.id, w.err)
			}
			last[f.record.submitter] = f.record.seq
		}
	}
	for _, f := range covered {
		if !slices.ContainsFunc(parts, f.is) {
			o.run.violation("%s does not return the error of task %+v, but %v", w.name, f, w.err)
		}
	}
}

// checkBatchError checks what a batch says of tasks that did not run.
func (w *waitCall) checkBatchError() {
	o := w.o
	for _, part := range partsOf(w.err) {
		known := errors.Is(part, pool.ErrClosed) && o.pool.hasDropped() ||
			slices.ContainsFunc(o.records, func(r *record) bool {
				return r.ctx != nil && r.ctx.Err() != nil && errors.Is(part, context.Cause(r.ctx))
			})
		if !known {
			o.run.violation("%s: the batch's error is %v", w.name, part)
		}
	}
	if w.err == nil && w.alone && o.lastDropped(w) && !w.cleared() {
		o.run.violation("%s: the batch has no error, and tasks were dropped", w.name)
	}
}

// lastDropped reports whether a task was dropped that was started since the last
// Wait: a batch forgets the others when it is given a new task.
func (o *ownerRun) lastDropped(w *waitCall) bool {
	return slices.ContainsFunc(w.covered, func(r *record) bool { return r.state.Load() == sealed && r.round == o.rounds })
}

// cleared reports whether a task may have been started between the wait and the call of Err, which
// then says nothing of the tasks before it.
func (w *waitCall) cleared() bool {
	return w.byErr && slices.ContainsFunc(w.o.records, func(r *record) bool {
		return r.state.Load() != refused && !slices.Contains(w.covered, r)
	})
}
