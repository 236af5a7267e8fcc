// This file holds the watchdog of an index loop. Invariant: either fire or release takes the loop
// out of the watchdog, never both.

package loop

import (
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core/race"
)

// A watchdog starts the first helper of a loop that has run for some time. So a loop whose first
// items block gets helpers although it cannot measure. A watchdog is a timer. It has no goroutine
// before the timer fires.
//
// Most loops end before the timer fires. With a timer for each loop, a loop of 10 items takes 2.5
// times as long. So a watchdog watches one loop after another, and its timer stays set after a loop
// has ended. When the timer fires and the current loop has not run for long enough, fire sets the
// timer again. When there is no loop, fire does nothing. watch sets it if the timer is not set.
// watch first writes loop and then reads set; fire first writes set and then reads loop. So one of
// the two sees what the other has written.
//
// Setting a timer wakes a thread, if one is idle. Then the system is likely to put the helper's
// thread on the processor of the caller's thread. So a watchdog also remembers the last loop that
// was worth a helper. The next loop over the same function starts a helper at once.
type watchdog struct {
	code uintptr       // of the function of the last loop that was worth a helper; 0 if there is none
	each time.Duration // how long an item of that loop took

	timer    *time.Timer
	delay    time.Duration
	watching bool                      // its loop has called watch
	loop     atomic.Pointer[indexLoop] // the loop to which fire gives a helper, or nil
	set      atomic.Bool               // the timer is set
	fired    chan struct{}             // gets a value when a fire that has taken loop ends; a send never blocks
}

// watchdogs holds the watchdogs that no loop uses.
var watchdogs sync.Pool

func newWatchdog(delay time.Duration) *watchdog {
	w := &watchdog{delay: delay, fired: make(chan struct{}, 1)}
	w.timer = time.AfterFunc(time.Hour, w.fire)
	w.timer.Stop() // until there is a loop
	return w
}

// watchdogFor returns a watchdog for a loop. A loop in a synctest bubble has one of its own,
// because a timer must stay in its bubble. In race builds each loop has one, because the detector
// would see a shared watchdog order its loops: watchdogs is empty then.
func watchdogFor(l *indexLoop) *watchdog {
	if l.clock.frozen {
		return newWatchdog(0) // fires as soon as the caller blocks
	}
	if w, _ := watchdogs.Get().(*watchdog); w != nil {
		return w
	}
	return newWatchdog(watchAfter)
}

// codeOf returns the address of the code of the loop's function. It is the same for all closures of
// one function literal.
func codeOf(l *indexLoop) uintptr { return reflect.ValueOf(l.of).Pointer() }

// expects reports whether a loop over n items is likely to be worth a helper.
func (w *watchdog) expects(l *indexLoop, n int) bool {
	return w.code != 0 && w.each > surelyWorthwhile/time.Duration(n) && w.code == codeOf(l)
}

// remember records that a loop was worth a helper, and how long each of its items takes.
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

// release ends the use of the watchdog by a loop. release blocks until fire has ended if fire has
// taken the loop. release does nothing if w is nil.
func (w *watchdog) release(l *indexLoop) {
	l.watchdog = nil
	switch {
	case w == nil:
		return
	case !w.watching:
		if l.clock.now() < worthwhile { // the loop was not worth a helper
			w.code = 0
		}
	case !w.loop.CompareAndSwap(l, nil):
		<-w.fired
	}
	w.watching = false
	if l.clock.frozen || race.Hidden {
		w.timer.Stop()
	} else {
		watchdogs.Put(w)
	}
}
