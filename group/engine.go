package group

import (
	"context"
	"fmt"
	"path"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// An Engine starts tasks, counts them and waits for them. It is what the owners
// of coterie have in common, and is exported for packages that build an owner of
// their own; programs use [Group]. The zero value is unnamed, unlimited, and
// propagates.
//
// Its promise is "as if each task had its own goroutine": a task may block for
// as long as it likes, on whatever it likes, and holds up no other. Within that
// promise it starts as few goroutines as it can. Tasks go into a queue. A
// goroutine takes a lot of them out of it at a time, some dozens, runs one after
// another, and then takes the next lot. Short tasks thus share a goroutine and a
// lock, and a task that blocks ends up with a goroutine of its own: those behind it
// in the lot are claimed by others. To claim a task is one atomic addition, so each
// runs once; see chunk.
//
// An engine that is new gives its first task to the goroutine that it starts for it. It
// gets a queue with the second, or earlier, with what else it keeps; see crowd.
//
// Call a task open from when it is accepted until it is claimed, be it in the
// queue or in a lot. Call a goroutine spare from when it is counted in spares, which
// is before it is started, until it gets to the queue. A spare goroutine runs no code
// but the engine's, so it gets there whatever the tasks do. The invariant, true
// whenever mu is free, is
//
//	no task is open, or there is a spare goroutine, or a goroutine is busy and a
//	submitter yields.
//
// So an open task is claimed: by a spare goroutine, if no other is faster. (A
// submitter that yields, see await, runs no code but the engine's either, and counts
// a spare when it comes back to find that one is lacking. The busy goroutine keeps
// Wait from returning until then.) All that changes the one side or the other mends
// the invariant before it lets mu go, by counting a further spare, which it starts
// once mu is free, with no code of the user's in between:
//
//   - unlockPushed, when a task has been put into the queue, counts a spare if there is
//     none (and up to one for each P, which spreads short tasks).
//   - The goroutine that was started for a new engine's first task has that, and is spare
//     all the same until it begins it, see serveFirst. It counts a spare if it leaves open tasks, which have come
//     meanwhile, and no spare.
//   - take claims a task, and if the goroutine was spare it is so no longer. It
//     counts a spare if it leaves open tasks, also those of its new lot, and nobody
//     to see to them.
//   - A goroutine that has a lot claims the next task of it without mu. That can only
//     make open tasks fewer.
//   - A spare goroutine goes only if take finds no open task (or is spare for a
//     turn more). One whose task has panicked or called Goexit was not spare. It
//     counts a spare if it leaves open tasks and no spare. Its lot stays in the list,
//     for others.
//
// Every started goroutine is counted in goroutines before mu is free again. So as
// long as a task is open or runs, the count is not zero, and it is the count that
// Wait waits for. docs/model has all this as a program for a model checker.
//
// In a -race build every task has a goroutine of its own, because sharing one
// would order its tasks in the eyes of the race detector.
type Engine[T Job] struct {
	goroutines core.WaitGroup // that have been started and have not left serve; added to with mu held

	mu     sync.Mutex               // guards what follows; nothing blocks while it is held
	busy   core.Guarded[int32]      // goroutines that have a task, or have run one and not come back to the queue
	ended  core.Guarded[bool]       // by Close
	begun  bool                     // the first task went without a queue; like spares not written in a -race build that hides bookkeeping
	spares uint16                   // at most one for each P
	crowd  atomic.Pointer[crowd[T]] // made by Init, or later with mu held, and then kept
}

// Init gives the engine its options, before its first use; nil stands for the zero
// Options. Its name nests in that of the task or owner that ctx carries; ctx may be nil.
func (e *Engine[T]) Init(ctx context.Context, opts *Options) {
	if opts == nil {
		if ctx == nil || taskOf(ctx) == nil {
			return
		}
		opts = new(Options)
	}
	opts.check()
	s := newSettings(ctx, opts)
	if s == nil && opts.Limit == 0 {
		return
	}
	x := newExtras[T]()
	x.settings, x.room.shared = s, opts.Semaphore
	if opts.Limit > 0 {
		x.room.limit.Store(opts.Limit)
	}
	c := newCrowd[T]()
	c.extras.Store(x)
	e.crowd.Store(c)
}

// Go starts t. It blocks while the engine is at its limit.
func (e *Engine[T]) Go(t T) {
	if e.Start(t) {
		go e.Serve(t)
	}
}

// Start is Go, except that it may leave the go statement to its caller: if it returns
// true, the caller starts, at once, a goroutine that calls Serve with t. That is for
// owners in a hurry: outside of generic code a go statement allocates less.
func (e *Engine[T]) Start(t T) (serve bool) {
	if core.RaceHidden {
		e.start(nil, entry[T]{t, e.settings().meta()})
		return false
	}
	if !e.mu.TryLock() {
		e.lockSlow()
	}
	c := e.crowd.Load()
	if c == nil {
		if e.firstLocked() {
			e.mu.Unlock()
			return true
		}
		e.startLocked(nil, entry[T]{task: t})
		return false
	}
	x := c.extras.Load()
	if e.ended.Load() || x != nil && !e.simple(c, x) {
		e.startLocked(nil, entry[T]{t, e.settings().meta()})
		return false
	}
	if !c.queue.pushFast(t) {
		c.queue.push(entry[T]{task: t})
	}
	e.unlockPushed(c, x == nil || x.room.spread())
	return false
}

// simple reports whether to accept a task is no more than to put it into the queue: no
// option but a limit has to be heeded, and there is room. It is called with mu held.
func (e *Engine[T]) simple(c *crowd[T], x *extras[T]) bool {
	return x.settings == nil && x.room.fits(int(e.busy.Load())+int(c.queue.n), false) // with a limit there are no lots
}

// Serve is the life of the goroutine that Start has left to its caller, and is for
// nothing else: Wait returns only when it has been called for each Start that returned
// true.
func (e *Engine[T]) Serve(t T) { e.serveFirst(entry[T]{task: t}) }

// firstLocked accepts a task if it is the first and there is no queue, and counts the
// goroutine that is to be started for it once mu is free.
func (e *Engine[T]) firstLocked() bool {
	if e.begun || e.crowd.Load() != nil || e.ended.Load() {
		return false
	}
	e.begun = true
	e.busy.Store(1)
	e.spares++
	e.goroutines.Add(1)
	return true
}

// serveFirst is the life of the goroutine that was started for the first task.
func (e *Engine[T]) serveFirst(en entry[T]) {
	e.lock()
	e.spares--
	e.mend(1)
	e.serve(hand[T]{entry: en, busy: true})
}

// GoNamed is Go for a task with a name of its own.
func (e *Engine[T]) GoNamed(name string, t T) {
	e.start(nil, entry[T]{t, e.settings().named(name)})
}

// TryGo starts t if the engine is not at its limit, and otherwise reports false.
func (e *Engine[T]) TryGo(t T) bool {
	en := entry[T]{t, e.settings().meta()}
	core.RaceDisable()
	e.lock()
	ok, _ := e.pushLocked(en, new(permits), doesNotWait)
	return ok
}

// GoContext starts the task that newTask makes from a context derived from ctx.
// It waits for room until ctx is done, and then returns [context.Cause] of ctx, and
// the task is not run. So it does if ctx is done already, without calling newTask.
func (e *Engine[T]) GoContext(ctx context.Context, newTask func(ctx context.Context) T) error {
	if ctx == nil {
		panic("group: nil context")
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	taskCtx, meta := e.settings().task(ctx, e)
	en := entry[T]{newTask(taskCtx), meta}
	return e.start(ctx, en)
}

// pushLocked puts a task into the queue and sees to it that a goroutine will take it.
// If there is no room, it does not accept it, and makes the caller a submitter if
// that waits. If a permit of the shared semaphore is missing, it does not accept it
// either, and reserves it a place if the caller waits. It lets mu go.
func (e *Engine[T]) pushLocked(en entry[T], have *permits, wait patience) (ok bool, s *submitter[T]) {
	x := e.extras()
	if have.place {
		x.room.reserved.Store(x.room.reserved.Load() - 1)
	}
	if e.ended.Load() {
		e.mu.Unlock()
		core.RaceEnable()
		if have.shared {
			e.release()
		}
		e.refuse()
	}
	if x != nil {
		r := &x.room
		full := r.limit.Load() != noLimit && !r.fits(e.runningLocked(), have.place)
		have.place = false
		if full || r.shared != nil && !have.shared && !r.shared.TryAcquire(1) {
			switch {
			case wait == doesNotWait:
			case full:
				s = r.enter(e, en, wait == waitsForEver)
				if !core.RaceHidden {
					r.yielding++
				}
			default:
				have.place = true
				r.reserved.Store(r.reserved.Load() + 1)
			}
			e.mu.Unlock()
			core.RaceEnable()
			if full && have.shared {
				// SetLimit has made a limit meanwhile. Others need not
				// wait for that.
				e.release()
				have.shared = false
			}
			return false, s
		}
	}
	if core.RaceHidden {
		e.busy.Store(e.busy.Load() + 1)
		e.goroutines.Add(1)
		e.mu.Unlock()
		core.RaceEnable()
		go e.serve(hand[T]{entry: en, busy: true})
		return true, nil
	}
	if e.firstLocked() {
		e.mu.Unlock()
		go e.serveFirst(en)
		return true, nil
	}
	c := e.crowdLocked()
	c.queue.push(en)
	e.unlockPushed(c, x == nil || x.room.spread())
	return true, nil
}

// mend lets mu go, when there are as many spare goroutines as are wanted, or no
// open task.
func (e *Engine[T]) mend(spares uint16) {
	more := uint16(0)
	c := e.crowd.Load()
	if c != nil && e.spares < spares && c.queue.open() {
		more = spares - e.spares
		e.moreLocked(c, more)
	}
	e.mu.Unlock()
	core.RaceEnable()
	for range more {
		go c.work()
	}
}

// unlockPushed lets mu go when a task has been put into the queue, and sees to it
// that a goroutine will take it. One spare keeps the invariant; up to one for each
// P spreads short tasks.
func (e *Engine[T]) unlockPushed(c *crowd[T], spread bool) {
	if e.spares > 0 && (!spread || uint32(e.spares) >= c.queue.n || e.spares >= c.processors()) {
		e.mu.Unlock()
		return
	}
	e.moreLocked(c, 1)
	e.mu.Unlock()
	go c.work()
}

// moreLocked counts n goroutines, which are to be started once mu is free.
func (e *Engine[T]) moreLocked(c *crowd[T], n uint16) {
	if c.work == nil {
		c.work = newWork(e)
	}
	e.spares += n
	e.goroutines.Add(int(n))
}

// newWork makes the function that the goroutines of an engine run. It does so for engines
// of all kinds, because the runtime measures the length of that function's name
// when a goroutine starts and when it exits, and the name of a method of an Engine
// is long.
func newWork(e interface{ life() }) func() { return func() { e.life() } }

func (e *Engine[T]) life() { e.serve(hand[T]{}) }

// lock locks mu. Whoever has to wait looks some hundred times more before it parks:
// nobody holds mu for long, but one who has parked may have to wait for a
// processor until a task ends.
func (e *Engine[T]) lock() {
	if !e.mu.TryLock() {
		e.lockSlow()
	}
}

func (e *Engine[T]) lockSlow() {
	for range 300 {
		if e.mu.TryLock() {
			return
		}
	}
	e.mu.Lock()
}

// serve is what a goroutine does: it runs one task after another. It may be given the
// first, in a -race build that hides bookkeeping its only one.
func (e *Engine[T]) serve(h hand[T]) {
	core.Call(func() {
		for found := h.busy || e.next(&h); found; found = h.claim() || e.next(&h) {
			if h.meta == nil {
				h.task.Run()
			} else {
				h.record = e.enter(h.meta, h.record)
				h.task.Run()
				e.leave(h.meta, h.record)
			}
		}
		e.goroutines.Done()
	}, func(p *core.PanicError) { e.aborted(&h, p) })
}

// next ends the task that the goroutine has run, if it has run one, and gets it
// the next. It reports false if there is none; the goroutine has to exit then.
//
// Where somebody has waited for room, new tasks are about to come. The goroutine
// stays for them as a spare, for some turns: a yield costs less than a goroutine.
func (e *Engine[T]) next(h *hand[T]) bool {
	for yields := 0; e.take(h, yields); yields++ {
		runtime.Gosched()
	}
	return h.busy
}

// take ends the task that a goroutine has run, if it has run one, and claims an
// open one, with which it may take a lot. If there is none and the goroutine may
// stay, take says whether that is worth while; the goroutine is spare then.
func (e *Engine[T]) take(h *hand[T], yields int) (stay bool) {
	core.RaceDisable()
	if !e.mu.TryLock() {
		e.lockSlow()
	}
	ended := h.busy
	if ended {
		e.busy.Store(e.busy.Load() - 1)
		h.busy = false
	} else {
		e.spares--
	}
	c := e.crowd.Load()
	if c == nil { // and so that was the first task, and there has been no other
		e.mu.Unlock()
		core.RaceEnable()
		return false
	}
	x := c.extras.Load()
	if h.lot != nil {
		c.queue.putDown(h)
	}
	yield := false
	if x != nil {
		if x.room.admits(c.queue.n) {
			yield = e.letIn(&x.room)
		}
		x.room.measure(&h.timer, ended)
	}
	spares := uint16(1) // that are wanted, if tasks stay open
	switch {
	case c.queue.hasLots() && (!ended || c.queue.lots.late(2*uint32(c.processors()))) && c.queue.steal(h):
		// Somebody is held up, and so may be those who come: then the spares
		// have to start many goroutines.
		spares = c.processors()
	case c.queue.pick(h, x == nil || !x.room.limited()):
		if !ended && h.lot != nil && e.goroutines.HasWaiters() {
			// As likely as not all tasks have been started, and the processor of
			// whoever has done that, and waits, is free.
			spares = c.processors()
		}
	default:
		h.busy = c.queue.hasLots() && ended && c.queue.steal(h)
	}
	if h.busy {
		e.busy.Store(e.busy.Load() + 1)
		if x != nil && x.room.yielding > 0 {
			spares = 0
		}
	}
	if x != nil {
		if x.room.admits(c.queue.n) {
			yield = e.letIn(&x.room) || yield
		}
		if stay = !h.busy && yields < x.room.turns() && e.spares < c.processors(); stay {
			e.spares++
		}
	}
	if e.spares < spares && (c.queue.n > 0 || c.queue.hasLots()) {
		e.mend(spares)
	} else {
		e.mu.Unlock()
		core.RaceEnable()
	}
	if ended && x != nil && x.room.shared != nil {
		e.release()
	}
	if yield && h.busy {
		runtime.Gosched()
	}
	return stay
}

// runningLocked returns the number of tasks that have been accepted and have not
// ended. One that has ended counts until its goroutine claims the next, or finds
// that there is none.
func (e *Engine[T]) runningLocked() int {
	n := int(e.busy.Load())
	if c := e.crowd.Load(); c != nil {
		n += int(c.queue.n)
		if c.queue.hasLots() {
			n += c.queue.lots.open()
		}
	}
	return n
}

// end ends a task whose goroutine will take no other, because it exits.
func (e *Engine[T]) end() {
	core.RaceDisable()
	e.lock()
	e.busy.Store(e.busy.Load() - 1)
	if x := e.extras(); x != nil {
		e.admit(e.crowd.Load(), &x.room)
	}
	e.mend(1)
	e.release()
	e.goroutines.Done()
}

// aborted ends a task that has panicked, or, if p is nil, has called Goexit. It
// runs on top of the stack that did so.
func (e *Engine[T]) aborted(h *hand[T], p *core.PanicError) {
	policy := e.settings().policy()
	if p != nil && policy == Crash {
		// Nothing recovers this, so the process dies here, with the frames of
		// the first panic on the stack. The task does not end: a Wait that
		// returned now could let main exit with status 0.
		panic(p.Value)
	}
	end := func() {
		if h.meta != nil {
			e.leave(h.meta, h.record)
		}
		e.end()
	}
	core.Call(func() {
		switch {
		case h.task.Aborted(p):
		case p != nil && policy == Capture && e.settings().onPanic != nil:
			e.settings().onPanic(p)
		default:
			e.Fail(p)
		}
	}, func(p *core.PanicError) {
		if p != nil {
			panic(p.Value) // in OnPanic; crashes, as above
		}
		end() // OnPanic has called Goexit
	})
	end()
}

// SetLimit changes how many tasks may run at once: at any time, also while tasks
// run, which then count. 0 lets none start; negative means no limit. Raising the
// limit wakes those who wait in Go.
func (e *Engine[T]) SetLimit(n int) {
	core.RaceDisable()
	e.lock()
	c := e.crowdLocked()
	r := &c.extrasLocked().room
	if n < 0 {
		n = noLimit
	} else {
		c.queue.revoke()
	}
	r.limit.Store(n)
	e.letIn(r) // also if the queue is not empty: without a limit it may never be
	e.mend(1)
}

// Running returns the number of tasks that have been accepted and have not ended.
func (e *Engine[T]) Running() int {
	core.RaceDisable()
	e.lock()
	n := e.runningLocked()
	e.mu.Unlock()
	core.RaceEnable()
	return n
}

// Fail makes Wait raise p as if a task had panicked with it; if p is nil, as if a
// task had called Goexit.
func (e *Engine[T]) Fail(p *core.PanicError) {
	core.RaceDisable()
	x := e.extras()
	if x == nil {
		e.lock()
		x = e.crowdLocked().extrasLocked()
		e.mu.Unlock()
	}
	core.RaceEnable()
	x.failures.Add(p)
}

// Wait blocks until every task has ended, and then raises what they raised.
func (e *Engine[T]) Wait() {
	var seen uint64
	if fs := e.failures(); fs != nil {
		seen = fs.Seen()
	}
	e.yield()
	e.goroutines.Wait()
	if fs := e.failures(); fs != nil {
		fs.Raise(seen)
	}
}

// yield lets what was started last run before its caller waits for it. If that was
// little, the wait is over then, and to be neither parked nor woken saves a third
// of what it takes to start a task and wait for it.
func (e *Engine[T]) yield() {
	if e.goroutines.Count() > 0 {
		runtime.Gosched()
	}
}

// WaitContext is Wait that gives up when ctx is done, with a [*StuckError]. It
// panics if ctx is that of a task of this engine, for which it would wait.
func (e *Engine[T]) WaitContext(ctx context.Context) error {
	if ctx == nil {
		panic("group: nil context")
	}
	if e.Within(ctx) {
		panic(owner[T]() + ": WaitContext on " + e.title() + " within one of its own tasks")
	}
	seen := e.failures().Seen()
	e.yield()
	for {
		err := e.goroutines.WaitContext(ctx)
		if err == nil {
			e.failures().Raise(seen)
			return nil
		}
		if stuck := e.Stuck(err); stuck.Running > 0 {
			return stuck
		}
		runtime.Gosched() // what is left are goroutines about to exit
	}
}

// Close waits until every task has ended, and makes a Go that comes after that, or
// still waits for room of the engine's own, panic. It raises nothing.
func (e *Engine[T]) Close() {
	e.yield()
	for ended := false; !ended; {
		e.goroutines.Wait()
		core.RaceDisable()
		e.lock()
		ended = e.runningLocked() == 0
		e.ended.Store(ended)
		if x := e.extras(); ended && x != nil {
			for s := x.room.first.Load(); s != nil; s = x.room.first.Load() {
				x.room.remove(s)
				x.room.expected.Store(x.room.expected.Load() + 1)
				s.settle(refused)
			}
		}
		e.mu.Unlock()
		core.RaceEnable()
	}
	e.goroutines.Wait() // for those that have found the queue empty and not left yet
}

// settings returns nil if there are none.
func (e *Engine[T]) settings() *settings {
	if x := e.extras(); x != nil {
		return x.settings
	}
	return nil
}

// failures returns nil if nothing has failed yet.
func (e *Engine[T]) failures() *Failures {
	if x := e.extras(); x != nil {
		return &x.failures
	}
	return nil
}

// extras returns nil if there are none.
func (e *Engine[T]) extras() *extras[T] {
	if c := e.crowd.Load(); c != nil {
		return c.extras.Load()
	}
	return nil
}

// crowdLocked is called with mu held.
func (e *Engine[T]) crowdLocked() *crowd[T] {
	c := e.crowd.Load()
	if c == nil {
		c = newCrowd[T]()
		e.crowd.Store(c)
	}
	return c
}

// EndScope is Close, and then raises what tasks raised, for a lexical scope. It is
// to be called by a deferred function, with what recover returned there: a panic
// of the scope's body goes on, with those of the tasks as its Others.
func (e *Engine[T]) EndScope(recovered any) {
	seen := e.failures().Seen()
	e.Close()
	failed := e.failures().take(seen)
	if recovered == nil {
		failed.raise()
		return
	}
	panics := failed.panics()
	if len(panics) == 0 {
		panic(recovered)
	}
	panic(combine(append([]*core.PanicError{core.NewPanicError(recovered)}, panics...)))
}

// Path returns the engine's name within those of the tasks around it.
func (e *Engine[T]) Path() string { return e.settings().name() }

// Scope returns a context derived from ctx in which names nest in the engine's.
func (e *Engine[T]) Scope(ctx context.Context) context.Context {
	if e.Path() == "" {
		return ctx
	}
	return context.WithValue(ctx, taskKey{}, &taskContext{engine: e, path: e.Path()})
}

// Within reports whether ctx comes from a task of the engine that has not ended.
func (e *Engine[T]) Within(ctx context.Context) bool {
	for t := taskOf(ctx); t != nil; t = t.parent {
		if t.engine == e && t.runs() {
			return true
		}
	}
	return false
}

func (e *Engine[T]) title() string {
	if path := e.Path(); path != "" {
		return fmt.Sprintf("group %q", path)
	}
	return "a group"
}

// owner returns the name of the package whose owner the engine is part of.
func owner[T Job]() string {
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return path.Base(t.PkgPath())
}
