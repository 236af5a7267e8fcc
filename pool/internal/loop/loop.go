// Package loop is the machinery of package pool's loops: index ranges for For and
// MapSlice, and a stream for Map, MapUnordered, Each and their kin. It gets its
// workers through an interface and does not know the pool.
//
// This file holds what both kinds share: what one call owns, how it gets helpers, and
// how it ends. Invariant: when a call has returned, none of its goroutines, and none of
// the workers that it borrowed, runs code of the call.
//
// In builds with race.Hidden each item has a goroutine of its own. The mutexes and
// atomics of this package then order only helpers, which run no user code themselves,
// so they need not be hidden. The one exception is the budget: items of an outer loop
// use it.
package loop

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/core/sched"
)

// Workers is where a loop gets its helpers from.
type Workers interface {
	// TryGo starts f on a further worker, or reports false. f deals with its own
	// panics. It may call runtime.Goexit, which nobody is told of.
	TryGo(f func()) bool
	// Wait returns when every f has ended, or has been dropped. It raises nothing.
	Wait()
}

// A Call is what the caller of a loop asks for.
type Call struct {
	Ctx     context.Context
	Workers int            // at least 1
	New     func() Workers // called at most once; nil outside a pool's task
}

// A loop is what one call owns: the context of its items, and its helpers, which are
// the goroutines besides the caller's.
type loop struct {
	call  Call
	ctx   loopContext
	clock clock

	ended    atomic.Bool   // no further item is to start
	check    atomic.Bool   // an item must ask stopped before it starts: ended is set, or the parent has ended
	unwatch  func() bool   // ends watchContext; nil before that. Written before there are helpers or, once, under mu
	noticed  chan struct{} // closed when watchContext has set check
	joining  atomic.Bool   // a helper that has not begun need not begin
	own      *goroutines   // that need neither a pool nor the budget, and helpers outside a pool; nil until there is one
	itemEnds race.Point    // orders items before the end of the loop

	mu      sync.Mutex
	workers Workers      // nil until there is a helper; guarded by mu
	helpers atomic.Int64 // how many there are; written under mu
	most    int          // how many there may be
	result  outcome      // guarded by mu
}

// goroutines are Workers without a pool.
type goroutines struct{ unended core.WaitGroup }

func (g *goroutines) TryGo(f func()) bool {
	g.unended.Add(1)
	go func() {
		defer g.unended.Done()
		f()
	}()
	return true
}

func (g *goroutines) Wait() { g.unended.Wait() }

// begin prepares a loop that may have so many helpers. If it is the outermost, it
// and the loops within its items share a budget.
func (l *loop) begin(call Call, helpers, budgeted int) {
	l.call = call
	l.most = helpers
	l.ctx.Context = call.Ctx
	l.ctx.budget = budgetOf(call.Ctx)
	if l.ctx.budget == nil {
		l.ctx.budget = &l.ctx.outermost
		l.ctx.budget.free.Store(uint64(budgeted))
	}
	if race.Hidden {
		l.ctx.made() // an item that made it would be ordered before others
	}
	l.clock = newClock()
}

// nested reports whether the caller's goroutine holds a place, in another loop or in a pool.
func (c *Call) nested() bool { return c.New != nil || budgetOf(c.Ctx) != nil }

// wantsHelper reports whether a further helper may be started.
func (l *loop) wantsHelper() bool {
	return int(l.helpers.Load()) < l.most && l.ctx.budget.available()
}

// startHelper starts a helper that runs f. It reports false if the loop has as many
// helpers as it may have, or neither the budget nor the pool has a worker left. f
// reports its own panic or Goexit to the loop. The helper calls left, if that is not
// nil, when it no longer counts as one.
func (l *loop) startHelper(f, left func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchContext()
	if int(l.helpers.Load()) >= l.most || !l.ctx.budget.borrow() {
		return false
	}
	if l.workers == nil {
		if l.call.New != nil {
			l.workers = l.call.New()
		} else {
			if l.own == nil {
				l.own = new(goroutines)
			}
			l.workers = l.own
		}
	}
	if !l.workers.TryGo(func() { l.help(f, left) }) {
		l.ctx.budget.giveBack()
		return false
	}
	l.helpers.Add(1)
	return true
}

// help is the life of a helper.
func (l *loop) help(f, left func()) {
	defer func() {
		l.mu.Lock()
		l.helpers.Add(-1)
		l.mu.Unlock()
		l.ctx.budget.giveBack()
		if left != nil {
			left()
		}
	}()
	if l.joining.Load() {
		return // perhaps in the goroutine of the caller, which waits for a batch
	}
	// A worker of a pool without a name would keep the labels.
	defer pprof.SetGoroutineLabels(context.Background())
	l.setLabels()
	f()
}

// setLabels gives the goroutine the profiler labels of the caller's context.
func (l *loop) setLabels() { pprof.SetGoroutineLabels(l.call.Ctx) }

// watchContext makes sure that the next item notices the end of the parent context. A
// loop that is not known to be long does without, and looks at the context itself now
// and then.
func (l *loop) watchContext() {
	if l.unwatch != nil || l.call.Ctx.Done() == nil {
		return
	}
	l.noticed = make(chan struct{})
	l.unwatch = context.AfterFunc(l.call.Ctx, func() {
		l.check.Store(true)
		close(l.noticed)
	})
}

// stopped reports whether no further item is to start.
func (l *loop) stopped() bool {
	if l.ended.Load() {
		return true
	}
	if l.call.Ctx.Err() != nil {
		l.fail(outcome{err: context.Cause(l.call.Ctx)})
		return true
	}
	return false
}

// fail ends the loop with the given outcome: it cancels the items that run, and
// no further one starts.
func (l *loop) fail(o outcome) {
	o.err = l.causeOf(o.err)
	l.note(o)
	l.stop(o.err)
}

// abort is fail for a panic, or, if p is nil, for a Goexit.
func (l *loop) abort(p *core.PanicError) { l.fail(aborted(p)) }

// causeOf returns an item's error. If that only reports the end of the parent context,
// it returns the cause of that end.
func (l *loop) causeOf(err error) error {
	if e := l.call.Ctx.Err(); e != nil && errors.Is(err, e) {
		return context.Cause(l.call.Ctx)
	}
	return err
}

// note adds an outcome to the loop's.
func (l *loop) note(o outcome) {
	l.mu.Lock()
	l.result.add(o)
	l.mu.Unlock()
}

// stop cancels the items that run, and no further one starts.
func (l *loop) stop(cause error) {
	l.ended.Store(true)
	l.check.Store(true)
	l.ctx.cancel(cause)
}

// wait returns when every helper has ended.
func (l *loop) wait() {
	l.joining.Store(true)
	if l.own != nil {
		l.own.Wait()
	}
	if l.workers != nil {
		l.workers.Wait()
		for range l.helpers.Swap(0) { // a Shutdown of the pool has dropped these
			l.ctx.budget.giveBack()
		}
	}
	l.itemEnds.Acquire()
	if l.unwatch != nil && !l.unwatch() {
		<-l.noticed
	}
	l.unwatch = nil
	l.ctx.end()
}

// drive calls body in the caller's goroutine, beside those that the loop has started. When body
// has ended, it ends and joins these, and raises what items raised.
func (l *loop) drive(body func()) {
	joined := false
	defer l.joinAborted(&joined)
	body()
	l.stop(context.Canceled)
	l.wait()
	joined = true
	l.raise()
}

// joinAborted is deferred by a loop whose body runs in the caller's goroutine. If the loop has
// not been joined, the body has panicked or called Goexit, which an item's Goexit adds nothing
// to; but an item's panic must not vanish.
func (l *loop) joinAborted(joined *bool) {
	if *joined {
		return
	}
	l.stop(context.Canceled)
	l.wait()
	if p := l.result.panicked; p != nil {
		if v := recover(); v != nil {
			both := aborted(core.NewPanicError(v))
			both.add(aborted(p))
			p = both.panicked
		}
		p.Raise()
	}
}

// raise raises the panic or the Goexit of a loop that has ended.
func (l *loop) raise() {
	if l.result.panicked != nil {
		l.result.panicked.Raise()
	}
	if l.result.goexit {
		runtime.Goexit()
	}
}

// An outcome is how an item, or a loop, ended, apart from results. The zero
// outcome is success.
type outcome struct {
	err      error
	panicked *core.PanicError
	goexit   bool
}

// aborted is the outcome of a panic, or, if p is nil, of a Goexit.
func aborted(p *core.PanicError) outcome { return outcome{panicked: p, goexit: p == nil} }

// add adds a later outcome. A panic replaces a Goexit, and a Goexit replaces an error.
// A second panic becomes one of the first's Others. Of two errors the first stays.
func (o *outcome) add(later outcome) {
	switch {
	case o.panicked != nil && later.panicked != nil:
		o.panicked = sched.Combine(o.panicked, later.panicked)
	case o.panicked != nil:
	case later.panicked != nil, later.goexit && !o.goexit, *o == outcome{}:
		*o = later
	}
}
