package pool

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
)

// A loop is what one call of For, Map or one of their kin owns: the context that
// its items are given, and the helpers, which are the goroutines besides the
// caller's.
type loop struct {
	parent context.Context
	ctx    loopContext
	clock  clock

	stopped atomic.Bool   // no further item is to start
	look    atomic.Bool   // whoever is about to start an item asks over first: stopped is set, or the parent has ended
	heeding func() bool   // ends that look heeds the parent; nil if it does not. Written when the loop begins or, once, under mu
	heeded  chan struct{} // closed when look has heeded it

	mu      sync.Mutex
	crew    crew         // nil until there is a helper; guarded by mu
	helpers atomic.Int64 // how many there are; written under mu
	most    int          // how many there may be
	result  outcome      // guarded by mu

	own *group.Engine[loopTask] // in a build with core.RaceHidden: a goroutine of its own for each item
}

// checkLoop panics for a nil context, and returns the number of workers that a
// caller's number stands for.
func checkLoop(ctx context.Context, workers int) int {
	if ctx == nil {
		panic("pool: nil context")
	}
	if workers < 1 {
		return runtime.GOMAXPROCS(0)
	}
	return workers
}

// begin prepares a loop that may have so many helpers. If it is the outermost, it
// and those within it share a budget.
func (l *loop) begin(ctx context.Context, helpers, budgeted int) {
	l.parent = ctx
	l.most = helpers
	l.ctx.Context = ctx
	l.ctx.budget = budgetOf(ctx)
	if l.ctx.budget == nil {
		l.ctx.budget = &l.ctx.outermost
		l.ctx.budget.free.Store(int64(budgeted))
	}
	if core.RaceHidden {
		l.own = new(group.Engine[loopTask])
		l.ctx.made() // now, because the item that made it would be ordered before others
	}
	l.clock = newClock()
}

// short reports whether a further helper may be started.
func (l *loop) short() bool {
	return int(l.helpers.Load()) < l.most && l.ctx.budget.free.Load() > 0
}

// enlist starts a helper that runs f, or reports false: there are as many as may
// be, or there is no worker left in the budget or in the pool. f itself tells the
// loop of a panic or a Goexit in it. When the helper no longer counts as one, it calls
// left, if that is not nil.
func (l *loop) enlist(f, left func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heed()
	if int(l.helpers.Load()) >= l.most || !l.ctx.budget.borrow() {
		return false
	}
	if l.crew == nil {
		l.crew = newCrew(l.parent)
	}
	if !l.crew.TryGo(func() { l.help(f, left) }) {
		l.ctx.budget.giveBack()
		return false
	}
	l.helpers.Add(1)
	return true
}

// heed sees to it that the end of the parent context is noticed before the next
// item. A loop that is not known to be long goes without, and looks at the context
// itself in between.
func (l *loop) heed() {
	if l.heeding != nil || l.parent.Done() == nil {
		return
	}
	l.heeded = make(chan struct{})
	l.heeding = context.AfterFunc(l.parent, func() {
		l.look.Store(true)
		close(l.heeded)
	})
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
	f()
}

// over reports whether no further item is to start.
func (l *loop) over() bool {
	if l.stopped.Load() {
		return true
	}
	if l.parent.Err() != nil {
		l.fail(outcome{err: context.Cause(l.parent)})
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

// causeOf returns an item's error, or, if that only tells of the end of the parent
// context, the cause of that.
func (l *loop) causeOf(err error) error {
	if e := l.parent.Err(); e != nil && errors.Is(err, e) {
		return context.Cause(l.parent)
	}
	return err
}

// note adds an outcome to the loop's.
func (l *loop) note(o outcome) {
	l.mu.Lock()
	l.result.add(o)
	l.mu.Unlock()
}

// abort is fail for a panic, or, if p is nil, for a Goexit.
func (l *loop) abort(p *core.PanicError) { l.fail(aborted(p)) }

// stop cancels the items that run, and no further one starts.
func (l *loop) stop(cause error) {
	l.stopped.Store(true)
	l.look.Store(true)
	l.ctx.cancel(cause)
}

// apart runs an item in a goroutine of its own, for the sake of the race detector:
// items that the same goroutine runs would be ordered. It returns when the item
// has ended, but without an edge from that.
func (l *loop) apart(item func(), abort func(p *core.PanicError)) {
	ended := make(chan struct{})
	l.own.Go(func() {
		defer func() {
			core.RaceDisable()
			close(ended)
			core.RaceEnable()
		}()
		core.Call(item, abort)
	})
	core.RaceDisable()
	<-ended
	core.RaceEnable()
}

// start starts a helper that does not run items and so needs no place in the
// budget. There must be no pool.
func (l *loop) start(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heed()
	l.crew = newCrew(l.parent)
	l.crew.TryGo(f)
}

// join returns when every helper has ended. It raises the loop's panic or Goexit,
// and otherwise returns its error.
func (l *loop) join() error {
	l.wait()
	if l.result.panicked != nil {
		panic(l.result.panicked)
	}
	if l.result.goexit {
		runtime.Goexit()
	}
	return l.result.err
}

// wait returns when every helper has ended.
func (l *loop) wait() {
	if l.crew != nil {
		l.crew.Wait()
		for range l.helpers.Swap(0) { // that a Shutdown of the pool has dropped
			l.ctx.budget.giveBack()
		}
	}
	if l.own != nil {
		l.own.Wait()
	}
	if l.heeding != nil {
		if !l.heeding() {
			<-l.heeded
		}
		l.heeding = nil
	}
	l.ctx.end()
}
