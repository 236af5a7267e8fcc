package errgroup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/core/sched"
)

// failures are the errors of a group. They are not hidden from the race detector: a task
// gets here only when it has failed, so what is ordered are the ends of tasks, and nothing that
// they do before.
type failures struct {
	mu    sync.Mutex // guards what follows; nothing blocks while it is held
	first error      // failing fast
	echo  error      // the first that only reports that the context is done

	// Collecting.

	most      int // how many are kept; 0 means all
	collected []numbered
	dropped   int

	joined error // what result has returned last; nil if more has come since
}

// A numbered error is that of a task with its number, which says the order of start.
type numbered struct {
	number uint64
	err    error
}

// add keeps an error, and returns the first.
func (fs *failures) add(number uint64, err error, collect bool) (first error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if !collect {
		if fs.first == nil {
			fs.first, fs.joined = err, nil
		}
		return fs.first
	}
	fs.collected = append(fs.collected, numbered{number, err})
	fs.joined = nil
	if fs.most > 0 && len(fs.collected) >= 2*fs.most { // not each time, for it sorts
		fs.trim()
	}
	return nil
}

// addEcho keeps the first report that the context is done.
func (fs *failures) addEcho(err error) {
	fs.mu.Lock()
	if fs.echo == nil {
		fs.echo, fs.joined = err, nil
	}
	fs.mu.Unlock()
}

// trim puts the collected errors in order, and drops those that are too many, the last.
func (fs *failures) trim() {
	slices.SortStableFunc(fs.collected, func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
	if fs.most > 0 && len(fs.collected) > fs.most {
		fs.dropped += len(fs.collected) - fs.most
		clear(fs.collected[fs.most:])
		fs.collected = fs.collected[:fs.most]
	}
}

// result returns the error of a group whose tasks have ended: the same value each
// time, unless more have failed. both says that an echo is told beside other errors.
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
	var errs []error
	if fs.first != nil {
		errs = append(errs, fs.first)
	}
	for _, e := range fs.collected {
		errs = append(errs, e.err)
	}
	if fs.dropped > 0 {
		errs = append(errs, fmt.Errorf("errgroup: %d more errors dropped", fs.dropped))
	}
	if fs.echo != nil && !sched.SameError(fs.echo, fs.first) && (both || len(errs) == 0) {
		errs = append(errs, fs.echo)
	}
	return multierr.Combine(errs...)
}

// told reports whether err is what result has returned last: a scope's body that
// ends with "return g.Wait()" does not report that anew.
func (fs *failures) told(err error) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.joined != nil && sched.SameError(err, fs.joined)
}

// fail records an error, and then cancels the context if that is the rule. A task's number
// says its place among the errors that are collected; 0 comes before all tasks. name, if not
// nil, is to hold the error.
func (g *Group) fail(number uint64, name *TaskError, err error) {
	g.record(number, name, err, g.ctx != nil && sched.IsEcho(err, g.ctx, g.options().lenient))
}

// record is fail for an error of which it is known whether it only reports that the context is
// done.
func (g *Group) record(number uint64, name *TaskError, err error, echo bool) {
	o := g.options()
	if name != nil {
		name.Err = err
		err = name
	}
	fs := g.failures.Load()
	if fs == nil {
		g.failures.CompareAndSwap(nil, &failures{most: o.maxErrors})
		fs = g.failures.Load()
	}
	if echo {
		fs.addEcho(err)
		return
	}
	if g.ctx != nil && g.ctx.Err() != nil {
		fs.addEcho(context.Cause(g.ctx)) // to be told if it is the parent's
	}
	if first := fs.add(number, err, o.collect); first != nil {
		g.stop(first) // the first's, whoever gets here first
	}
}

// A TaskError is the error of a named task.
type TaskError struct {
	Path string // the task's name after those of the groups around it: "ingest/fetch"
	Err  error  // what the task returned
}

// Error returns the path, quoted if it is not printable, a colon, and the text of Err.
func (e *TaskError) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return sched.Quote(e.Path) + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *TaskError) Unwrap() error { return e.Err }
