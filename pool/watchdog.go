package pool

import (
	"runtime/pprof"
	"sync"
	"time"

	"github.com/coterie-go/coterie/core"
)

// A watchdog starts the first helper of a loop whose caller has been at it for
// some time, so that items that block do not wait for measurements. It is a timer,
// which costs less than a goroutine, and is used for one loop after another.
type watchdog struct {
	timer *time.Timer
	loop  *forLoop      // written before the timer is set, read when that has fired
	ended chan struct{} // the timer has fired, and what it calls has ended; has room for that
}

// watchdogs has none that is of a bubble, where a timer must stay.
var watchdogs sync.Pool

// newWatchdog returns a watchdog for a loop.
func newWatchdog(l *forLoop) *watchdog {
	wait := patience
	if l.clock.frozen {
		wait = 0 // in a bubble that is as soon as the caller blocks
	} else if !core.RaceHidden { // there a watchdog would order the loops that it is used for
		if w, _ := watchdogs.Get().(*watchdog); w != nil {
			w.loop = l
			w.timer.Reset(wait)
			return w
		}
	}
	w := &watchdog{loop: l, ended: make(chan struct{}, 1)}
	w.timer = time.AfterFunc(wait, w.bark)
	return w
}

func (w *watchdog) bark() {
	defer func() { w.ended <- struct{}{} }()
	// A helper gets the profiler labels of the goroutine that starts it.
	pprof.SetGoroutineLabels(w.loop.parent)
	w.loop.recruit()
}

// callOff calls the watchdog off: when it returns, the watchdog does nothing for
// its loop any more. It is called once.
func (w *watchdog) callOff() {
	if !w.timer.Stop() {
		<-w.ended
	}
	frozen := w.loop.clock.frozen
	w.loop = nil
	if !frozen && !core.RaceHidden {
		watchdogs.Put(w)
	}
}
