// This file holds the loops over indexes, For and MapSlice.
//
// Each worker has a range of indexes. The caller begins with all of them, and a worker
// whose range is empty steals half of the longest. So items do not run in the order of
// their indexes, but work that is skewed spreads.
//
// The caller works alone until it has measured that the rest is worth a goroutine, and
// then starts the first helper; or the watchdog starts it. Each helper starts the next
// before it runs an item, if there is more to do.
//
// Invariant: each index is in one range, or has been taken from one by the worker that
// runs it.

package loop

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
)

// For calls f for each i of 0..n-1.
func For(call Call, n int, f func(ctx context.Context, i int) error) error {
	return runIndexes(call, n, f, forBlock)
}

// forBlock is the block of For. It captures nothing, which saves an allocation.
func forBlock(l *indexLoop, lo, hi int) (next int, err error) {
	f, ctx := l.of.(func(ctx context.Context, i int) error), context.Context(&l.ctx)
	for i := lo; i < hi; i++ {
		if l.check.Load() {
			return i, nil
		}
		if err := f(ctx, i); err != nil {
			return i, err
		}
	}
	return hi, nil
}

// MapSlice calls f for each element of in and returns the results in their places.
func MapSlice[T, R any](call Call, in []T, f func(ctx context.Context, v T) (R, error)) ([]R, error) {
	out := make([]R, len(in))
	err := runIndexes(call, len(in), f, func(l *indexLoop, lo, hi int) (next int, err error) {
		ctx := context.Context(&l.ctx)
		for i := lo; i < hi; i++ {
			if l.check.Load() {
				return i, nil
			}
			r, err := f(ctx, in[i])
			if err != nil {
				return i, err
			}
			out[i] = r
		}
		return hi, nil
	})
	return out, err
}

// runIndexes runs a loop over 0..n-1, as one indexLoop after another of as many items as
// an indexRange holds. of is the caller's function.
func runIndexes(call Call, n int, of any, block block) error {
	for base := 0; base < n; {
		part := min(n-base, math.MaxInt32)
		l := &indexLoop{of: of, block: block, base: base}
		l.begin(call, min(call.Workers, part)-1, call.Workers-1)
		if err := l.run(part); err != nil {
			return err
		}
		base += part
	}
	return nil
}

// An indexLoop is a loop over indexes.
type indexLoop struct {
	block block
	of    any // the caller's function
	base  int // what is added to indexes

	loop

	ranges   atomic.Pointer[indexRange] // a list of the helpers'; written under mu
	watchdog *watchdog                  // the caller's; nil if there can be no helper, or it has been released
	first    indexRange                 // the caller's; away from what helpers read for each block
}

// A block runs the items from lo up to, and without, hi, one after another. It returns
// at once if an item returns an error. When check is set it returns the index of the
// next item.
type block func(l *indexLoop, lo, hi int) (next int, err error)

const (
	// watchAfter is how long the caller works alone if it cannot measure whether
	// helpers are worth it, because it is within the first items.
	watchAfter = 50 * time.Microsecond
	// probation is how long a loop runs before its measurements count: a first
	// item may be slow because it touches cold memory.
	probation = 5 * time.Microsecond
	// worthwhile is the measured rest that is worth starting a helper.
	worthwhile = 30 * time.Microsecond
	// surelyWorthwhile is worthwhile for a rest that is only expected.
	surelyWorthwhile = 4 * worthwhile
)

// run runs the loop over 0..n-1.
func (l *indexLoop) run(n int) (err error) {
	l.first.set(0, uint32(n))
	if l.most > 0 {
		l.watchdog = watchdogFor(l)
		if !l.watchdog.expects(l, n) || !l.share() {
			l.watchdog.watch(l)
		}
	} else if n > 1 {
		l.watchContext() // there is no watchdog that would
	}
	defer func() { // also when an item has called Goexit
		l.releaseWatchdog()
		l.wait()
		l.raise()
		err = l.result.err
	}()
	core.Call(func() { l.work(&l.first, 0) }, l.abort)
	return nil
}

func (l *indexLoop) releaseWatchdog() {
	if l.watchdog != nil {
		l.watchdog.release(l)
		l.watchdog = nil
	}
}

// work runs items until there are none left. Each worker does that, from the given time on.
func (l *indexLoop) work(own *indexRange, from time.Duration) {
	g := newGrainSizer(l.clock, from)
	for {
		lo, hi := own.take(uint32(g.take), l.helpers.Load() > 0)
		if lo == hi {
			if !l.steal(own) {
				return
			}
			continue
		}
		if l.stopped() || !l.items(lo, hi) {
			return
		}
		if !g.count(int(hi-lo)) || g.last < probation || !l.wantsHelper() {
			continue // too little to judge by, or no helper may be started
		}
		if rest := own.left(); rest > 0 && g.each > worthwhile/time.Duration(rest) {
			if own == &l.first && l.watchdog != nil {
				l.watchdog.remember(l, g.each)
				l.releaseWatchdog()
			}
			if l.share() {
				g.restart()
			}
		}
	}
}

// items runs the items from lo up to, and without, hi. It reports false if no
// further one is to start.
func (l *indexLoop) items(lo, hi uint32) bool {
	from, to := l.base+int(lo), l.base+int(hi)
	if race.Hidden {
		return l.itemsIsolated(from, to)
	}
	next, err := l.block(l, from, to)
	if err != nil {
		l.fail(outcome{err: err})
		return false
	}
	return next == to || !l.stopped()
}

// itemsIsolated is items in a build with race.Hidden.
func (l *indexLoop) itemsIsolated(from, to int) bool {
	for i := from; i < to && !(l.check.Load() && l.stopped()); i++ {
		race.Isolate(&l.itemEnds, func() {
			core.Call(func() {
				next, err := l.block(l, i, i+1)
				if err != nil {
					l.fail(outcome{err: err})
				} else if next == i { // check has been set meanwhile
					l.stopped()
				}
			}, l.abort)
		})
	}
	return !l.ended.Load()
}

// spawnWorker starts a helper, or reports false.
func (l *indexLoop) spawnWorker() bool {
	return l.startHelper(func() { core.Call(l.helper, l.abort) }, nil)
}

// share starts a helper, or reports false, and lets it run in the place of its
// caller. The scheduler has given the helper the caller's time slice, and for some
// 50 µs no idle processor would steal it from there. So an idle processor steals the
// caller.
func (l *indexLoop) share() bool {
	started := l.spawnWorker()
	if started {
		runtime.Gosched()
	}
	return started
}

// helper is the life of a helper.
func (l *indexLoop) helper() {
	own := newIndexRange()
	l.mu.Lock()
	own.next = l.ranges.Load()
	l.ranges.Store(own)
	l.mu.Unlock()
	if l.steal(own) {
		l.share()
		l.work(own, l.clock.now())
	}
}

// steal moves the back half of the longest range to own, which is empty. It reports
// false if all are empty, or nothing further is to start.
func (l *indexLoop) steal(own *indexRange) bool {
	if l.ranges.Load() == nil {
		return false // there was no helper; own is the caller's
	}
	l.mu.Lock() // no other worker looks while an index is between two ranges
	defer l.mu.Unlock()
	for !l.ended.Load() {
		longest, most := &l.first, l.first.left()
		for other := l.ranges.Load(); other != nil; other = other.next {
			if left := other.left(); left > most {
				longest, most = other, left
			}
		}
		if most == 0 {
			return false
		}
		if lo, hi := longest.stealHalf(); lo != hi {
			own.set(lo, hi)
			return true
		}
	}
	return false
}

// An indexRange is the part of a loop that a worker has before it: the indexes from lo
// up to, and without, hi. The worker takes from the front, a few at a time. Other
// workers steal from the back.
type indexRange struct {
	word atomic.Uint64 // lo in the high 32 bits, hi in the low 32
	next *indexRange   // in the loop's list; written before the range is in it
}

// newIndexRange returns a range whose word has a cache line for itself.
func newIndexRange() *indexRange {
	r := new(struct {
		indexRange
		_ [48]byte
	})
	return &r.indexRange
}

func pack(lo, hi uint32) uint64 { return uint64(lo)<<32 | uint64(hi) }

func unpack(word uint64) (lo, hi uint32) { return uint32(word >> 32), uint32(word) }

// left returns how many indexes no worker has taken.
func (r *indexRange) left() int {
	lo, hi := unpack(r.word.Load())
	return int(hi - lo)
}

// set fills an empty range. No other worker writes to an empty range.
func (r *indexRange) set(lo, hi uint32) { r.word.Store(pack(lo, hi)) }

// take takes up to most indexes from the front. If other workers may steal from the
// back, it takes no more than half. It returns lo == hi if the range is empty.
func (r *indexRange) take(most uint32, others bool) (lo, hi uint32) {
	for {
		word := r.word.Load()
		lo, hi := unpack(word)
		if lo == hi {
			return lo, lo
		}
		n := min(most, hi-lo)
		if others {
			n = min(n, (hi-lo+1)/2)
		}
		end := lo + n
		if r.word.CompareAndSwap(word, pack(end, hi)) {
			return lo, end
		}
	}
}

// stealHalf takes the back half. It returns lo == hi if the range is empty.
func (r *indexRange) stealHalf() (lo, hi uint32) {
	for {
		word := r.word.Load()
		lo, hi := unpack(word)
		if lo == hi {
			return lo, lo
		}
		middle := lo + (hi-lo)/2
		if r.word.CompareAndSwap(word, pack(lo, middle)) {
			return middle, hi
		}
	}
}
