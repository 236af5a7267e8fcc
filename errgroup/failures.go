package errgroup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/sched"
)

// failures holds the errors of a group. It is not hidden from the race detector: a task uses it
// only when it has failed. So the detector sees order only between the ends of failed tasks.
type failures struct {
	settings *settings // of the group

	mu        sync.Mutex // guards what follows; nothing blocks while it is held
	collected []numbered // without Collect only the first error
	dropped   int        // how many errors are not kept because of MaxErrors
	reports   [4]error   // the first cancellation report of each kind; that of notReport is nil
	joined    error      // the last result; nil if errors were added since
}

// A reportKind is the kind of an error as a cancellation report.
type reportKind int

const (
	notReport  reportKind = iota
	certain               // is the context's Err, or is or wraps its cause
	inDoubt               // wraps the context's Err, so it may come from another context
	notStarted            // the context's cause, for a function that was not started
)

// A numbered is an error with the number of its task. Numbers are in the order of start.
type numbered struct {
	number uint64
	err    error
}

// add records an error. Without Collect, add returns the first error.
func (fs *failures) add(number uint64, err error) (first error) {
	fs.mu.Lock()
	if fs.settings.Collect || len(fs.collected) == 0 {
		fs.collected, fs.joined = append(fs.collected, numbered{number, err}), nil
	}
	if most := fs.settings.MaxErrors; most > 0 && len(fs.collected)-most >= most { // not each time, because trim sorts
		fs.trim()
	}
	first = fs.collected[0].err
	fs.mu.Unlock()
	return first
}

// addReport keeps err if it is the first cancellation report of its kind.
func (fs *failures) addReport(kind reportKind, err error) {
	fs.mu.Lock()
	if fs.reports[kind] == nil {
		fs.reports[kind], fs.joined = err, nil
	}
	fs.mu.Unlock()
}

// trim sorts the errors by number, and drops those after the first MaxErrors.
func (fs *failures) trim() {
	slices.SortStableFunc(fs.collected, func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
	if most := fs.settings.MaxErrors; most > 0 && len(fs.collected) > most {
		fs.dropped += len(fs.collected) - most
		fs.collected = slices.Delete(fs.collected, most, len(fs.collected))
	}
}

// result returns the error of a group whose tasks have ended. It returns the same value each time,
// unless more tasks have failed. The result has a cancellation report beside other errors if both
// is set.
func (fs *failures) result(both bool) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.joined == nil {
		fs.joined = fs.join(both)
	}
	return fs.joined
}

func (fs *failures) join(both bool) error {
	fs.trim()
	errs := make([]error, 0, len(fs.collected)+2)
	for _, e := range fs.collected {
		errs = append(errs, e.err)
	}
	if fs.dropped > 0 {
		errs = append(errs, fmt.Errorf("errgroup: %d more errors dropped", fs.dropped))
	}
	report := multierr.Append(fs.reports[inDoubt], fs.reports[notStarted])
	if report == nil {
		report = fs.reports[certain]
	}
	isFirst := !fs.settings.Collect && len(errs) > 0 && sched.SameError(report, errs[0])
	if report != nil && !isFirst && (both || len(errs) == 0) {
		errs = append(errs, report)
	}
	return multierr.Combine(errs...)
}

// isLastResult reports whether err is the last value that result has returned. So the body of a
// scope can end with "return g.Wait()" without a second error.
func (fs *failures) isLastResult(err error) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.joined != nil && sched.SameError(err, fs.joined)
}

// fail records an error, and, without Collect, then cancels the context. Collected errors are
// sorted by number; 0 comes before all tasks. wrapper wraps the error, unless it is nil.
func (g *Group) fail(number uint64, wrapper *TaskError, err error) {
	g.record(number, wrapper, err, g.kindOf(err))
}

// kindOf returns the kind of err, which a task has returned.
func (g *Group) kindOf(err error) reportKind {
	switch {
	case g.ctx == nil || !sched.IsCancellationReport(err, g.ctx, g.options().lenient):
		return notReport
	case sched.IsCancellationReport(err, g.ctx, false):
		return certain
	}
	return inDoubt
}

// failNotStarted records that a function was not started because the group's context is done.
func (g *Group) failNotStarted() {
	g.record(g.number(), nil, context.Cause(g.ctx), notStarted)
}

// record is fail for a caller that knows the kind of err.
func (g *Group) record(number uint64, wrapper *TaskError, err error, kind reportKind) {
	if wrapper != nil {
		wrapper.Err = err
		err = wrapper
	}
	fs := g.failures.Load()
	if fs == nil {
		g.failures.CompareAndSwap(nil, &failures{settings: g.options()})
		fs = g.failures.Load()
	}
	if kind != notReport {
		fs.addReport(kind, err)
		return
	}
	if g.ctx != nil && g.ctx.Err() != nil {
		fs.addReport(certain, context.Cause(g.ctx)) // result returns it if it is the parent's cause
	}
	if first := fs.add(number, err); !fs.settings.Collect {
		g.stop(first) // with the first error as the cause, also if a later task gets here first
	}
}

// A TaskError is the error of a named task.
type TaskError struct {
	Path string // the path of the task: "ingest/fetch"
	Err  error  // the error that the task returned
}

// Error returns the path, quoted if it is not printable, a colon, and the text of Err. It returns
// only that text if Err is the panic of the task, because the text has the path.
func (e *TaskError) Error() string {
	p, _ := e.Err.(*core.PanicError)
	if e.Path == "" || p != nil && p.Task == e.Path {
		return e.Err.Error()
	}
	return sched.Quote(e.Path) + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *TaskError) Unwrap() error { return e.Err }
