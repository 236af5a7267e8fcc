// This file holds the loops over indexes, For and MapSlice.
//
// Each worker has a range of indexes. The caller begins with all of them. A worker whose range is
// empty steals half of the longest range. So items do not run in the order of their indexes, but
// uneven work spreads over the workers.
//
// The caller works without helpers until it has measured that the rest is worth a goroutine. Then
// it starts the first helper, unless the watchdog has started it. Each helper starts the next one
// before it runs an item, if there are more items.
//
// Invariant: each index is in one range, or a worker has taken it and runs it.

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

// forBlock is the block of For. It captures no variables, which saves an allocation.
func forBlock(l *indexLoop, lo, hi int) error {
	f, ctx := l.of.(func(ctx context.Context, i int) error), context.Context(&l.ctx)
	for i := lo; i < hi; i++ {
		if l.check.Load() {
			l.stopped()
			break
		}
		if err := f(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// MapSlice calls f for each element of in and returns the results in their places.
func MapSlice[T, R any](call Call, in []T, f func(ctx context.Context, v T) (R, error)) ([]R, error) {
	out := make([]R, len(in))
	err := runIndexes(call, len(in), f, func(l *indexLoop, lo, hi int) error {
		ctx := context.Context(&l.ctx)
		for i := lo; i < hi; i++ {
			if l.check.Load() {
				l.stopped()
				break
			}
			r, err := f(ctx, in[i])
			if err != nil {
				return err
			}
			out[i] = r
		}
		return nil
	})
	return out, err
}

// runIndexes runs a loop over 0..n-1: one indexLoop after another, each of as many items as fit
// into an indexRange. of is the caller's function.
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
	base  int // is added to each index

	loop

	ranges   atomic.Pointer[indexRange] // a list of the helpers' ranges; written under mu
	watchdog *watchdog                  // used by the caller only; nil if there can be no helper, or after release
	first    indexRange                 // the caller's range; the last field, away from fields that helpers read for each block
}

// A block runs the items from lo to hi-1, one after another. It returns the error of the first item
// that fails, without running the rest. If check is set it does not run the rest either, and calls
// stopped. Its loop has no && because the compiler adds a jump for that: 0.3 ns of 2 ns an item.
type block func(l *indexLoop, lo, hi int) error

const (
	// watchAfter is how long the caller works without helpers if it cannot measure whether helpers
	// are worth it, because its first items have not ended.
	watchAfter = 50 * time.Microsecond
	// probation is how long a loop runs before its measurements count: a first item may be slow
	// because it touches cold memory.
	probation = 5 * time.Microsecond
	// worthwhile is the measured time of the remaining items that is worth a helper.
	worthwhile = 30 * time.Microsecond
	// surelyWorthwhile is worthwhile for a time that is only expected.
	surelyWorthwhile = 4 * worthwhile
)

// run runs the loop over 0..n-1.
func (l *indexLoop) run(n int) (err error) {
	l.first.set(0, uint32(n))
	if l.mostHelpers > 0 {
		l.watchdog = watchdogFor(l)
		if !l.watchdog.expects(l, n) || !l.share() {
			l.watchdog.watch(l)
		}
	} else if n > 1 {
		l.watchContext() // there is no helper and no watchdog to call it
	}
	defer func() { // deferred, because an item may have called Goexit
		l.watchdog.release(l)
		l.wait()
		l.raise()
		err = l.result.err
	}()
	core.Call(func() { l.work(&l.first, 0) }, l.abort)
	return nil
}

// work runs items until there are none left. Each worker calls it. from is the time at which the
// worker begins.
func (l *indexLoop) work(own *indexRange, from time.Duration) {
	g := newGrainSizer(l.clock, from)
	for {
		lo, hi := own.pop(uint32(g.size), l.helpers.Load() > 0)
		if lo == hi {
			if !l.steal(own) {
				return
			}
			continue
		}
		if l.stopped() {
			return
		}
		l.items(l.base+int(lo), l.base+int(hi))
		if !g.count(int(hi-lo)) || g.last < probation || !l.wantsHelper() {
			continue // too little was measured, or no helper may be started
		}
		if rest := own.left(); rest > 0 && g.each > worthwhile/time.Duration(rest) {
			if own == &l.first && l.watchdog != nil {
				l.watchdog.remember(l, g.each)
				l.watchdog.release(l)
			}
			if l.share() {
				g.restart()
			}
		}
	}
}

// items runs the items from lo to hi-1.
func (l *indexLoop) items(lo, hi int) {
	if !race.Hidden {
		l.runBlock(lo, hi)
		return
	}
	for i := lo; i < hi && !(l.check.Load() && l.stopped()); i++ {
		race.Isolate(&l.itemEnds, func() { core.Call(func() { l.runBlock(i, i+1) }, l.abort) })
	}
}

func (l *indexLoop) runBlock(lo, hi int) {
	if err := l.block(l, lo, hi); err != nil {
		l.fail(outcome{err: err})
	}
}

// spawnWorker starts a helper. It reports false if there can be none.
func (l *indexLoop) spawnWorker() bool {
	return l.startHelper(func() { core.Call(l.helper, l.abort) }, nil)
}

// share starts a helper and yields to it. It reports false if there can be no helper. The Go
// scheduler runs the helper next on the caller's processor, and for some 50 µs no idle processor
// would steal the helper from there. After the yield an idle processor steals the caller instead.
func (l *indexLoop) share() bool {
	started := l.spawnWorker()
	if started {
		runtime.Gosched()
	}
	return started
}

// helper runs a helper.
func (l *indexLoop) helper() {
	own := &new(paddedRange).indexRange
	l.mu.Lock()
	own.next = l.ranges.Load()
	l.ranges.Store(own)
	l.mu.Unlock()
	if l.steal(own) {
		l.share()
		l.work(own, l.clock.now())
	}
}

// steal moves the back half of the longest range to own, which is empty. It reports false if all
// ranges are empty, or no further item may start.
func (l *indexLoop) steal(own *indexRange) bool {
	if l.ranges.Load() == nil {
		return false // there has been no helper, and own is the caller's range
	}
	l.mu.Lock() // so that no other worker looks while an index is between two ranges
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

// An indexRange is the part of a loop that is left to one worker: the indexes from lo to hi-1. The
// worker takes from the front, a few at a time. Other workers steal from the back.
type indexRange struct {
	word atomic.Uint64 // lo in the high 32 bits, hi in the low 32
	next *indexRange   // in the loop's list; written before the range is in it
}

// A paddedRange has a cache line of its own.
type paddedRange struct {
	indexRange
	_ [48]byte
}

func pack(lo, hi uint32) uint64 { return uint64(lo)<<32 | uint64(hi) }

func unpack(word uint64) (lo, hi uint32) { return uint32(word >> 32), uint32(word) }

// left returns how many indexes are in the range.
func (r *indexRange) left() int {
	lo, hi := unpack(r.word.Load())
	return int(hi - lo)
}

// set fills an empty range. No other worker writes to an empty range.
func (r *indexRange) set(lo, hi uint32) { r.word.Store(pack(lo, hi)) }

// pop takes up to most indexes from the front. If others is set, other workers may steal from the
// back, and pop takes at most half. It returns lo == hi if the range is empty.
func (r *indexRange) pop(most uint32, others bool) (lo, hi uint32) {
	for {
		word := r.word.Load()
		lo, hi := unpack(word)
		if lo == hi {
			return lo, lo
		}
		left := hi - lo
		n := min(most, left)
		if others {
			n = min(n, (left+1)/2)
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
		middle := lo + (hi-lo)/2
		if r.word.CompareAndSwap(word, pack(lo, middle)) {
			return middle, hi
		}
	}
}
