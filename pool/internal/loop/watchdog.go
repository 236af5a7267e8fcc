// This file holds the watchdog of an index loop. Invariant: of the timer's call and the
// loop's release exactly one takes the loop out of the watchdog.

package loop

import (
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core/race"
)

// A watchdog starts the first helper of a loop whose caller has been at it for
// some time. So items that block do not wait for measurements. It is a timer, and no
// goroutine before the timer fires.
//
// Most loops end before. A timer for each of them makes a loop of 10 items take 2.5 times
// as long. So one watchdog watches one loop after another, and its timer, once set, stays
// set: when it fires, it is set again if the loop of that moment is too young, and is left
// alone if there is no loop. If the timer is not set, the next loop sets it: the loop
// first writes loop and then reads set, and the timer's call first writes set and then
// reads loop, so one of the two sees what the other has written.
//
// A timer that is set wakes a thread, if one is idle, and then the system is likely
// to put the helper's on the same processor as the caller's. So a watchdog also
// remembers the last loop that was worth a helper, and starts one at once for a
// further loop over the same function.
type watchdog struct {
	code uintptr       // of the function of that loop; 0 if there is none
	each time.Duration // what an item took

	timer    *time.Timer
	delay    time.Duration
	watching bool                      // it watches the loop that holds it
	loop     atomic.Pointer[indexLoop] // that is to have a helper, or nil
	set      atomic.Bool               // the timer is set
	fired    chan struct{}             // the timer's call that has taken loop has ended; has room for that
}

// watchdogs has those that may watch any loop.
var watchdogs sync.Pool

func newWatchdog(delay time.Duration) *watchdog {
	w := &watchdog{delay: delay, fired: make(chan struct{}, 1)}
	w.timer = time.AfterFunc(time.Hour, w.fire)
	w.timer.Stop() // until there is a loop
	return w
}

// ownsWatchdog reports whether the loop needs a watchdog of its own: in a bubble,
// where a timer must stay, and where the race detector would take a watchdog for
// an order between its loops.
func (l *indexLoop) ownsWatchdog() bool { return l.clock.frozen || race.Hidden }

// watchdogFor returns a watchdog for a loop.
func watchdogFor(l *indexLoop) *watchdog {
	if !l.ownsWatchdog() {
		if w, _ := watchdogs.Get().(*watchdog); w != nil {
			return w
		}
	}
	if l.clock.frozen {
		return newWatchdog(0) // fires as soon as the caller blocks
	}
	return newWatchdog(watchAfter)
}

// codeOf returns what stays the same of a function from one loop to the next, though
// it may be a closure.
func codeOf(l *indexLoop) uintptr { return reflect.ValueOf(l.of).Pointer() }

// expects reports whether a loop over n items is likely to be worth a helper.
func (w *watchdog) expects(l *indexLoop, n int) bool {
	return w.code != 0 && w.each > surelyWorthwhile/time.Duration(n) && w.code == codeOf(l)
}

// remember notes that a loop whose items take a time each was worth a helper.
func (w *watchdog) remember(l *indexLoop, each time.Duration) { w.code, w.each = codeOf(l), each }

// watch begins to watch a loop.
func (w *watchdog) watch(l *indexLoop) {
	w.watching = true
	w.loop.Store(l)
	if !w.set.Load() {
		w.reset(w.delay)
	}
}

func (w *watchdog) reset(d time.Duration) {
	w.set.Store(true)
	w.timer.Reset(d)
}

func (w *watchdog) fire() {
	w.set.Store(false)
	l := w.loop.Load()
	if l == nil {
		return
	}
	if rest := w.delay - l.clock.now(); rest > 0 {
		w.reset(rest)
		return
	}
	if !w.loop.CompareAndSwap(l, nil) {
		return
	}
	defer func() { w.fired <- struct{}{} }()
	l.spawnWorker()
}

// release takes the watchdog from a loop, for which it does nothing any more.
func (w *watchdog) release(l *indexLoop) {
	switch {
	case !w.watching:
		if l.clock.now() < worthwhile { // it was not worth a helper
			w.code = 0
		}
	case !w.loop.CompareAndSwap(l, nil):
		<-w.fired
	}
	w.watching = false
	if l.ownsWatchdog() {
		w.timer.Stop()
	} else {
		watchdogs.Put(w)
	}
}
