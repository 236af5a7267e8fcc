package pool

import (
	"reflect"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
)

// A watchdog starts the first helper of a loop whose caller has been at it for
// some time, so that items that block do not wait for measurements. It is a timer,
// and no goroutine before that.
//
// Most loops end before. So that they need not set a timer, one watchdog watches
// over one loop after another, and the timer, once set, stays so: when it fires, it
// is set again if the loop of that moment is too young, and is left alone if there
// is none. If the timer is not set, the next loop sets it: it first writes loop and
// then reads set, and the timer's call first writes set and then reads loop, so one
// of the two finds what the other has written.
//
// A timer that is set wakes a thread, if one is idle, and then the system is likely
// to put the helper's on the same processor as the caller's. So a watchdog also
// remembers the last loop that was worth a helper, and starts one at once for a
// further loop over the same function.
type watchdog struct {
	code uintptr       // of the function of that loop; 0 if there is none
	each time.Duration // what an item took

	timer    *time.Timer
	patience time.Duration
	watching bool                    // it watches over the loop that holds it
	loop     atomic.Pointer[forLoop] // that is to have a helper, or nil
	set      atomic.Bool             // the timer is set
	ended    chan struct{}           // the timer's call that has taken loop has ended; has room for that
}

// watchdogs has those that may watch over any loop.
var watchdogs sync.Pool

func newWatchdog(patience time.Duration) *watchdog {
	w := &watchdog{patience: patience, ended: make(chan struct{}, 1)}
	w.timer = time.AfterFunc(time.Hour, w.bark)
	w.timer.Stop() // until there is a loop
	return w
}

// ofItsOwn reports whether the loop needs a watchdog of its own: in a bubble,
// where a timer must stay, and where the race detector would take a watchdog for
// an order between its loops.
func (l *forLoop) ofItsOwn() bool { return l.clock.frozen || core.RaceHidden }

// watchdogFor returns a watchdog for a loop.
func watchdogFor(l *forLoop) *watchdog {
	if !l.ofItsOwn() {
		if w, _ := watchdogs.Get().(*watchdog); w != nil {
			return w
		}
	}
	if l.clock.frozen {
		return newWatchdog(0) // that is as soon as the caller blocks
	}
	return newWatchdog(patience)
}

// codeOf returns what stays the same of a function from one loop to the next, though
// it may be a closure.
func codeOf(l *forLoop) uintptr { return reflect.ValueOf(l.of).Pointer() }

// expects reports whether a loop over n items is likely to be worth a helper.
func (w *watchdog) expects(l *forLoop, n int) bool {
	return w.code != 0 && w.each > surely/time.Duration(n) && w.code == codeOf(l)
}

// remember notes that a loop whose items take a time each was worth a helper.
func (w *watchdog) remember(l *forLoop, each time.Duration) { w.code, w.each = codeOf(l), each }

// watch begins to watch over a loop.
func (w *watchdog) watch(l *forLoop) {
	w.watching = true
	w.loop.Store(l)
	if !w.set.Load() {
		w.reset(w.patience)
	}
}

func (w *watchdog) reset(d time.Duration) {
	w.set.Store(true)
	w.timer.Reset(d)
}

func (w *watchdog) bark() {
	w.set.Store(false)
	l := w.loop.Load()
	if l == nil {
		return
	}
	if rest := w.patience - l.clock.now(); rest > 0 {
		w.reset(rest)
		return
	}
	if !w.loop.CompareAndSwap(l, nil) {
		return
	}
	defer func() { w.ended <- struct{}{} }()
	// A helper gets the profiler labels of the goroutine that starts it.
	pprof.SetGoroutineLabels(l.parent)
	l.recruit()
}

// release gives the watchdog of a loop back, which it then does nothing for any
// more.
func (w *watchdog) release(l *forLoop) {
	switch {
	case !w.watching:
		if l.clock.now() < worthwhile { // it was not worth a helper
			w.code = 0
		}
	case !w.loop.CompareAndSwap(l, nil):
		<-w.ended
	}
	w.watching = false
	if l.ofItsOwn() {
		w.timer.Stop()
	} else {
		watchdogs.Put(w)
	}
}
