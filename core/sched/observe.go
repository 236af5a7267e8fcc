package sched

import (
	"context"
	"runtime/trace"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds how observers learn of named tasks, and how named owners and tasks appear in
// an execution trace. While nobody observes, a named task costs an atomic load for it when it
// is started, and one when it begins.

// An Event is what an observer is told of a task.
type Event struct {
	Path        string
	Owner, Task uint64
	Waited, Ran time.Duration
	Err         error
	Panic       *core.PanicError
	Cancelled   bool
}

// An Observer has the functions that are called; each may be nil.
type Observer struct {
	Queued, Started, Ended func(Event)
}

// A watcher is an Observer that is in use.
type watcher struct {
	Observer
	calls sync.RWMutex // read-locked during a call, locked for good by stop
	last  race.Point   // from each call to the return of stop
}

// watchers are those in use. The slice does not change.
var watchers atomic.Pointer[[]*watcher]

var changingWatchers sync.Mutex

func observed() bool { return watchers.Load() != nil }

// Observe calls the functions of o for each named task that is started from then on. stop
// returns when no call is under way and none will come.
func Observe(o Observer) (stop func()) {
	w := &watcher{Observer: o}
	changeWatchers(func(all []*watcher) []*watcher { return append(all, w) })
	return sync.OnceFunc(func() {
		changeWatchers(func(all []*watcher) []*watcher {
			return slices.DeleteFunc(all, func(other *watcher) bool { return other == w })
		})
		race.Disable()
		w.calls.Lock()
		race.Enable()
		w.last.Acquire()
	})
}

func changeWatchers(change func(all []*watcher) []*watcher) {
	changingWatchers.Lock()
	defer changingWatchers.Unlock()
	var all []*watcher
	if p := watchers.Load(); p != nil {
		all = slices.Clone(*p)
	}
	if all = change(all); len(all) == 0 {
		watchers.Store(nil)
		return
	}
	watchers.Store(&all)
}

// call calls f, unless that is nil or the observer was stopped. The calls are not ordered.
func (w *watcher) call(f func(Event), e Event) {
	if f == nil {
		return
	}
	race.Disable()
	ok := w.calls.TryRLock()
	race.Enable()
	if !ok {
		return
	}
	defer func() {
		w.last.Release()
		race.Disable()
		w.calls.RUnlock()
		race.Enable()
	}()
	f(e)
}

// A watch is what is kept of a task that observers see, or that is a region of a trace.
type watch struct {
	watchers []*watcher // when the task was started
	event    Event
	queued   time.Time
	began    time.Time
	region   *trace.Region
	returned bool
}

// watched is what a worker keeps of its task for observers.
type watched struct {
	err   error  // that the task is about to return
	ended *watch // of a task that has not returned
}

// newWatched tells observers of a task that is about to be accepted.
func newWatched(path string, config *Config) *record {
	all := watchers.Load()
	if all == nil {
		return nil
	}
	r := new(record)
	r.watch = &watch{
		watchers: *all,
		event:    Event{Path: path, Owner: config.number(), Task: r.id()},
		queued:   time.Now(),
	}
	for _, w := range r.watch.watchers {
		w.call(w.Queued, r.watch.event)
	}
	return r
}

// A watchedTask is a Named that observers see.
type watchedTask struct {
	Named
	record *record
}

func (n *Named) watched(config *Config) Task {
	r := newWatched(n.path, config)
	if r == nil {
		return n
	}
	return &watchedTask{*n, r}
}

func (t *watchedTask) watching() *record { return t.record }

// Run runs the task while it is listed.
func (t *watchedTask) Run(w *Worker) {
	defer w.finish(w.begin(&t.Named, t.record, t.labels))
	t.Task.Run(w)
	t.record.watch.returned = true
}

func (c *Context) watching() *record { return c.record }

// Returned is called by a task with a context when its function has returned, before the owner
// knows of an error.
func (c *Context) Returned() {
	if c.record != nil && c.record.watch != nil {
		c.record.watch.returned = true
		c.record.watch.event.Cancelled = c.Err() != nil
	}
}

// Failed says that the task of the worker is about to return err.
func (w *Worker) Failed(err error) {
	if e := w.config.entry; e != nil {
		e.failed.Add(1)
	}
	if observed() {
		w.watched.err = err
	}
}

// Skip says that the task, which has a context, did not run because that was done.
func (c *Context) Skip(w *Worker) {
	w.Drop()
	if c.record != nil && c.record.watch != nil {
		c.record.watch.refused(context.Cause(c.Context))
	}
}

// declined tells observers of a task that will not run, unless err is nil. It returns err.
func declined(t Task, err error) error {
	if err == nil {
		return nil
	}
	if t, ok := bare(t).(interface{ watching() *record }); ok {
		if r := t.watching(); r != nil && r.watch != nil {
			r.watch.refused(err)
		}
	}
	return err
}

func (x *watch) refused(err error) {
	x.event.Waited, x.event.Err, x.event.Cancelled = time.Since(x.queued), err, true
	x.tellEnded()
}

func (x *watch) tellEnded() {
	for _, w := range x.watchers {
		w.call(w.Ended, x.event)
	}
}

// watchBegin is called in the goroutine of a task that begins.
func (r *record) watchBegin(labels context.Context) {
	if r.watch == nil {
		r.watch = new(watch)
	}
	x := r.watch
	if trace.IsEnabled() {
		if labels == nil {
			labels = context.Background()
		}
		x.region = trace.StartRegion(labels, r.task.taskPath())
	}
	if len(x.watchers) == 0 {
		return
	}
	x.began = r.started.time()
	x.event.Waited = x.began.Sub(x.queued)
	for _, w := range x.watchers {
		w.call(w.Started, x.event)
	}
}

// watchEnd is called in the goroutine of a task that ends.
func (w *Worker) watchEnd(r *record) {
	x := r.watch
	if x.region != nil {
		x.region.End()
	}
	err := w.watched.err
	w.watched.err = nil
	if len(x.watchers) == 0 {
		return
	}
	x.event.Ran = time.Since(x.began)
	if !x.returned { // watchAborted is about to be called
		ctx := r.task.taskContext()
		x.event.Cancelled = ctx != nil && ctx.Err() != nil
		w.watched.ended = x
		return
	}
	x.event.Err = err
	x.tellEnded()
}

// watchAborted is called when a task has panicked, or, if p is nil, has called
// runtime.Goexit.
func (w *Worker) watchAborted(p *core.PanicError) {
	x := w.watched.ended
	if x == nil {
		return
	}
	w.watched.ended = nil
	if x.event.Panic = p; p == nil {
		x.event.Err = core.ErrGoexit
	}
	x.tellEnded()
}

// A traceTask is an owner as a task of a trace. It ends when a wait first finds that no task
// of the owner is left.
type traceTask struct {
	*trace.Task
	ended race.Uint64
}

func (s *Scheduler) endTrace() {
	if t := s.config().trace; t != nil && t.ended.CompareAndSwap(0, 1) {
		t.End()
	}
}
