package pool

import (
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
type watchdog struct {
	timer    *time.Timer
	patience time.Duration
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

// watchdogFor returns a watchdog that watches over a loop.
func watchdogFor(l *forLoop) *watchdog {
	var w *watchdog
	if !l.ofItsOwn() {
		w, _ = watchdogs.Get().(*watchdog)
	}
	if w == nil {
		w = newWatchdog(patience)
	}
	if l.clock.frozen {
		w.patience = 0 // that is as soon as the caller blocks
	}
	w.loop.Store(l)
	if !w.set.Load() {
		w.reset(w.patience)
	}
	return w
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

// callOff ends the watch over a loop: from then on the watchdog does nothing for
// it. It is called once.
func (w *watchdog) callOff(l *forLoop) {
	if !w.loop.CompareAndSwap(l, nil) {
		<-w.ended
	}
	if l.ofItsOwn() {
		w.timer.Stop()
	} else {
		watchdogs.Put(w)
	}
}
