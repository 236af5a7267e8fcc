// Package loop holds the code of package pool's loops: index ranges for For and MapSlice; a stream
// for Map, MapUnordered, Then, ThenUnordered and Each; and a gather for Chunk and Merge. It gets
// its workers through an interface, and does not know the pool.
//
// This file holds the parts that all kinds share: the state of one call, how it gets helpers, and
// how it ends. Invariant: when a call has returned, none of its goroutines, and none of the workers
// that it borrowed, runs code of the call.
//
// In builds with race.Hidden each item has a goroutine of its own. The mutexes and atomics of this
// package then order only helpers. Helpers run no user code themselves, so the mutexes and atomics
// need not be hidden. The exception is the budget, because items of an outer loop use it.
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

// A Spawner starts the helpers of a loop.
type Spawner interface {
	// TryGo starts f on a further worker, or reports false. f does not panic. It may call
	// runtime.Goexit, which has no other effect.
	TryGo(f func()) bool
	// Wait blocks until every f has ended or has been dropped. It raises nothing.
	Wait()
}

// A Call holds the arguments that all loops share.
type Call struct {
	Ctx     context.Context
	Workers int            // at least 1
	New     func() Spawner // returns the pool's Spawner; called at most once; nil if the caller is no task of a pool
}

// A loop is the state of one call: the context of its items, and its helpers. Helpers are the
// workers besides the caller.
type loop struct {
	call  Call
	ctx   loopContext
	clock clock

	ended    atomic.Bool     // no further item may start
	check    atomic.Bool     // stopped must be called before an item starts: ended is set, or the parent is done
	unwatch  func() bool     // ends watchContext; nil before that; written before there are helpers, or once under mu
	noticed  chan struct{}   // closed when watchContext has set check
	shown    *sched.LoopNote // shows the loop in package tree; may be nil; written before there are helpers, or under mu with spawner
	own      *goroutines     // goroutines that need neither a pool nor the budget; nil if there are none
	itemEnds race.Point      // orders items before the end of the loop

	mu          sync.Mutex
	spawner     Spawner      // nil until there is a helper; guarded by mu
	helpers     atomic.Int64 // how many helpers there are; written under mu
	mostHelpers int          // how many helpers there may be
	result      outcome      // guarded by mu
}

// goroutines is a Spawner without a pool, and the goroutines that a loop needs itself.
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

// begin prepares a loop that may have up to helpers helpers. If it is the outermost loop, it makes
// a budget of budgeted workers, which it shares with the loops within its items.
func (l *loop) begin(call Call, helpers, budgeted int) {
	l.call = call
	l.mostHelpers = helpers
	l.ctx.Context = call.Ctx
	l.ctx.budget = budgetOf(call.Ctx)
	if l.ctx.budget == nil {
		l.ctx.budget = &l.ctx.outermost
		l.ctx.budget.free.Store(uint64(budgeted))
	}
	if race.Hidden {
		l.ctx.made() // if an item made it, the detector would see that order the items
	}
	l.clock = newClock()
}

// nested reports whether the caller's goroutine holds a place, in another loop or in a pool.
func (c *Call) nested() bool { return c.New != nil || budgetOf(c.Ctx) != nil }

// wantsHelper reports whether a further helper may be started.
func (l *loop) wantsHelper() bool {
	return int(l.helpers.Load()) < l.mostHelpers && l.ctx.budget.available()
}

// startHelper starts a helper that runs f. It reports false if the loop already has mostHelpers,
// or if the budget or the pool has no worker left. f passes its own panic or Goexit to the loop.
// The helper calls left, if left is not nil, when it is no longer counted.
func (l *loop) startHelper(f, left func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchContext()
	if int(l.helpers.Load()) >= l.mostHelpers || !l.ctx.budget.borrow() {
		return false
	}
	if l.spawner == nil {
		if l.own == nil { // a loop over indexes: start has not done it
			l.shown = sched.NoteLoop(l.call.Ctx)
		}
		l.spawner = new(goroutines)
		if l.call.New != nil {
			l.spawner = l.call.New()
		}
	}
	if !l.spawner.TryGo(func() { l.help(f, left) }) {
		l.ctx.budget.giveBack()
		return false
	}
	l.helpers.Add(1)
	return true
}

// help runs f in a helper, and then uncounts the helper.
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
	l.host(f)
}

// start starts a goroutine that needs neither a pool nor the budget, and runs f in it. The caller
// of the loop calls it before there are helpers.
func (l *loop) start(f func()) {
	if l.own == nil {
		l.own = new(goroutines)
		l.shown = sched.NoteLoop(l.call.Ctx)
	}
	l.own.TryGo(func() { l.host(f) })
}

// host runs f in a goroutine of the loop, with the pprof labels of the caller's context.
func (l *loop) host(f func()) {
	defer l.shown.Worker()()
	// Otherwise a worker of a pool without a name would keep the labels.
	defer pprof.SetGoroutineLabels(context.Background())
	pprof.SetGoroutineLabels(l.call.Ctx)
	f()
}

// watchContext makes the next item notice when the parent context is done. A loop that may be short
// does not call it, and checks the context itself from time to time.
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

// stopped reports whether no further item may start. It ends the loop if the parent context is
// done.
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

// fail ends the loop with the given outcome: it cancels the items that run, and no further item
// starts.
func (l *loop) fail(o outcome) {
	o.err = l.causeOf(o.err)
	l.addOutcome(o)
	l.stop(o.err)
}

// abort is fail for a panic, or, if p is nil, for a Goexit.
func (l *loop) abort(p *core.PanicError) { l.fail(*aborted(p)) }

// causeOf returns err. If the parent context is done, and err wraps its Err, causeOf returns the
// cause of the parent context.
func (l *loop) causeOf(err error) error {
	if e := l.call.Ctx.Err(); e != nil && errors.Is(err, e) {
		return context.Cause(l.call.Ctx)
	}
	return err
}

// addOutcome adds o to the loop's outcome.
func (l *loop) addOutcome(o outcome) {
	l.mu.Lock()
	l.result.add(o)
	l.mu.Unlock()
}

// stop cancels the items that run, and no further item starts.
func (l *loop) stop(cause error) {
	l.ended.Store(true)
	l.check.Store(true)
	l.ctx.cancel(cause)
}

// wait blocks until every helper has ended.
func (l *loop) wait() {
	l.shown.Blocked()
	defer l.shown.End()
	if l.own != nil {
		l.own.Wait()
	}
	if l.spawner != nil {
		l.spawner.Wait()
		for range l.helpers.Swap(0) { // a Shutdown of the pool has dropped these helpers
			l.ctx.budget.giveBack()
		}
	}
	l.itemEnds.Acquire()
	if l.unwatch != nil && !l.unwatch() {
		<-l.noticed
	}
	l.ctx.end()
}

// drive calls body in the caller's goroutine, while the helpers run. When body has ended, drive
// stops and joins the helpers, and raises the panics and Goexits of items. If body has panicked,
// drive raises an item's panic with that of body. If body has panicked or called Goexit, an item's
// Goexit adds nothing.
func (l *loop) drive(body func()) {
	returned := false
	defer func() {
		l.stop(context.Canceled)
		l.wait()
		if !returned && l.result.panicked == nil {
			return
		}
		if v := recover(); v != nil {
			l.result.panicked = sched.Combine(core.NewPanicError(v), l.result.panicked)
		}
		l.raise()
	}()
	body()
	returned = true
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

// An outcome is how an item or a loop ended: an error, a panic or a Goexit. The zero outcome is
// success.
type outcome struct {
	err      error
	panicked *core.PanicError
	goexit   bool
}

// aborted returns the outcome of a panic, or, if p is nil, of a Goexit.
func aborted(p *core.PanicError) *outcome { return &outcome{panicked: p, goexit: p == nil} }

// add adds a later outcome. A panic replaces a Goexit, and a Goexit replaces an error. A second
// panic becomes one of the Others of the first. The first of two errors stays.
func (o *outcome) add(later outcome) {
	switch {
	case o.panicked != nil && later.panicked != nil:
		o.panicked = sched.Combine(o.panicked, later.panicked)
	case o.panicked != nil:
	case later.panicked != nil, later.goexit && !o.goexit, *o == outcome{}:
		*o = later
	}
}
