package sched

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds the observers of named tasks. watch.go calls them.

// An Event describes a task to an observer. Package group documents the fields.
type Event struct {
	Path        string
	Owner, Task uint64
	Waited, Ran time.Duration
	Err         error
	Panic       *core.PanicError
	Cancelled   bool
}

// An Observer has the functions that are called for events. Each may be nil.
type Observer struct {
	Queued, Started, Ended func(Event)
}

// A watcher is an Observer that is in use.
type watcher struct {
	Observer
	calls sync.RWMutex // read-locked during a call; locked, and never unlocked, by stop
	last  race.Point   // from each call to the return of stop
}

// watchers points to the watchers in use; nil if there are none. The slice does not change.
var watchers atomic.Pointer[[]*watcher]

var changingWatchers sync.Mutex

func observed() bool { return watchers.Load() != nil }

// Observe makes the scheduler call the functions of o for each named task that is started after it.
// stop ends that: it blocks until no call is under way. There are no calls after it.
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

// call calls f, unless f is nil or the observer was stopped. The race detector sees no order
// between calls.
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
