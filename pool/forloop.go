package pool

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
)

// A forLoop is a loop over indexes.
//
// Each worker has a span of indexes before it; the caller begins with all of
// them, and a worker whose span is empty takes half of the longest. So the order
// in which items run is not that of their indexes, but work that is skewed
// spreads.
//
// The caller works alone until it has measured that the rest is worth a
// goroutine, and starts the first helper; or a watchdog does so. Each helper starts
// the next before it runs an item, if there is more to do.
type forLoop struct {
	block block
	of    any // the caller's function
	base  int // to be added to indexes

	loop

	spans    atomic.Pointer[span] // a list of the helpers', written under mu
	watchdog *watchdog            // the caller's; nil if there can be no helper, or it has been released
	first    span                 // the caller's; far from what helpers read for each block
}

// A block runs the items from lo up to, and without, hi, one after another. It returns
// at once with the error of one. When look is set it runs no further one, and returns
// which is the next.
type block func(l *forLoop, lo, hi int) (next int, err error)

const (
	// patience is how long the caller works alone if it cannot say whether
	// helpers are worth it, because it is within the first items.
	patience = 50 * time.Microsecond
	// probation is how long a loop runs before its measurements count: a first
	// item may be slow because what it touches is.
	probation = 5 * time.Microsecond
	// worthwhile is the measured rest that is worth starting a helper.
	worthwhile = 30 * time.Microsecond
	// surely is that for a rest that is only expected.
	surely = 4 * worthwhile
)

// run runs the loop over 0..n-1.
func (l *forLoop) run(n int) (err error) {
	l.first.set(0, uint32(n))
	if l.most > 0 {
		l.watchdog = watchdogFor(l)
		if !l.watchdog.expects(l, n) || !l.share() {
			l.watchdog.watch(l)
		}
	} else if n > 1 {
		l.heed() // there is no watchdog that would
	}
	defer func() {
		l.releaseWatchdog()
		err = l.join()
	}()
	core.Call(func() { l.work(&l.first, 0) }, l.abort)
	return nil
}

func (l *forLoop) releaseWatchdog() {
	if l.watchdog != nil {
		l.watchdog.release(l)
		l.watchdog = nil
	}
}

// work is what every worker does, from the given time on: it runs items until
// there are none left.
func (l *forLoop) work(s *span, from time.Duration) {
	p := newPace(l.clock, from)
	for {
		lo, hi := s.take(uint32(p.take), l.helpers.Load() > 0)
		if lo == hi {
			if !l.refill(s) {
				return
			}
			continue
		}
		if l.over() || !l.items(lo, hi) {
			return
		}
		if !p.count(int(hi-lo)) || p.last < probation || !l.short() {
			continue // too little to judge by, or nobody to start
		}
		if rest := s.left(); rest > 0 && p.each > worthwhile/time.Duration(rest) {
			if s == &l.first && l.watchdog != nil {
				l.watchdog.remember(l, p.each)
				l.releaseWatchdog()
			}
			if l.share() {
				p.restart()
			}
		}
	}
}

// items runs the items from lo up to, and without, hi. It reports false if no
// further one is to start.
func (l *forLoop) items(lo, hi uint32) bool {
	from, to := l.base+int(lo), l.base+int(hi)
	if core.RaceHidden {
		return l.itemsApart(from, to)
	}
	next, err := l.block(l, from, to)
	if err != nil {
		l.fail(outcome{err: err})
		return false
	}
	return next == to || !l.over()
}

func (l *forLoop) itemsApart(lo, hi int) bool {
	for i := lo; i < hi; i++ {
		if l.look.Load() && l.over() {
			return false
		}
		l.apart(func() {
			next, err := l.block(l, i, i+1)
			if err != nil {
				l.fail(outcome{err: err})
			} else if next == i { // look has been set meanwhile
				l.over()
			}
		}, l.abort)
	}
	return !l.stopped.Load()
}

// recruit starts a helper, or reports false.
func (l *forLoop) recruit() bool {
	return l.enlist(func() { core.Call(l.helper, l.abort) }, nil)
}

// share starts a helper, or reports false, and lets it run in the place of its
// caller. The scheduler has given the helper the caller's time slice, and for some
// 50 µs no idle processor would take it from there; so one takes the caller.
func (l *forLoop) share() bool {
	started := l.recruit()
	if started {
		runtime.Gosched()
	}
	return started
}

// helper is the life of a helper.
func (l *forLoop) helper() {
	s := newSpan()
	l.mu.Lock()
	s.next = l.spans.Load()
	l.spans.Store(s)
	l.mu.Unlock()
	if l.refill(s) {
		l.share()
		l.work(s, l.clock.now())
	}
}

// refill moves the back half of the longest span to s, which is empty. It reports
// false if all are empty, or nothing further is to start.
func (l *forLoop) refill(s *span) bool {
	if l.spans.Load() == nil {
		return false // nobody has ever taken any from the caller's, which is s
	}
	l.mu.Lock() // so that no index is between two spans when somebody looks for one
	defer l.mu.Unlock()
	for !l.stopped.Load() {
		longest, most := &l.first, l.first.left()
		for other := l.spans.Load(); other != nil; other = other.next {
			if left := other.left(); left > most {
				longest, most = other, left
			}
		}
		if most == 0 {
			return false
		}
		if lo, hi := longest.split(); lo != hi {
			s.set(lo, hi)
			return true
		}
	}
	return false
}
