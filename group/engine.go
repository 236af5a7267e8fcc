package group

import (
	"context"
	"fmt"
	"math"
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
// goroutine takes a task from it and, when that has ended, the next. Short tasks
// thus share a goroutine, and a task that blocks ends up with one of its own.
//
// Call a goroutine spare from when it is counted in spares, which is before it is
// started, until it gets to the queue. A spare goroutine runs no code but the
// engine's, so it gets there whatever the tasks do. The invariant, true whenever mu
// is free, is
//
//	the queue is empty, or there is a spare goroutine.
//
// So a task in the queue is taken: by a spare goroutine, if no other is faster. All
// that changes the one side or the other mends the invariant before it lets mu
// go, by counting a further spare, which it starts once mu is free, with no code
// of the user's in between:
//
//   - push puts a task into the queue. It counts a spare if there is none (and up
//     to one for each P, which spreads short tasks).
//   - take takes a task out, and if the goroutine was spare it is so no longer. It
//     counts a spare if it leaves tasks behind and no spare.
//   - A spare goroutine goes only if take finds the queue empty (or is spare for a
//     turn more). One whose task has panicked or called Goexit was not spare, and
//     goes without touching the queue.
//
// Every started goroutine is counted in goroutines before mu is free again. So as
// long as a task is in the queue or runs, the count is not zero, and it is the
// count that Wait waits for. docs/model has all this as a program for a model
// checker.
//
// In a -race build every task has a goroutine of its own, because sharing one
// would order its tasks in the eyes of the race detector.
type Engine[T Job] struct {
	goroutines core.WaitGroup // that have been started and have not left serve; added to with mu held

	mu     sync.Mutex         // guards what follows, up to work; nothing blocks while it is held
	active core.Guarded[int]  // the tasks that have been accepted and have not ended
	ended  core.Guarded[bool] // by Close

	// In a -race build that hides bookkeeping these are not touched.
	procs  uint32 // GOMAXPROCS when it was first asked for
	spares uint32
	queue  queue[T]
	work   func() // the life of a goroutine; made once, so that go need not allocate

	extras atomic.Pointer[extras] // made by Init, or later with mu held, and then kept
}

// Init gives the engine its options, before its first use. Its name nests in
// that of the task or owner that ctx carries; ctx may be nil.
func (e *Engine[T]) Init(ctx context.Context, opts Options) {
	opts.check()
	s := newSettings(ctx, opts)
	if s == nil && opts.Limit == 0 {
		return
	}
	x := &extras{settings: s}
	if opts.Limit > 0 {
		x.room.setLimit(int64(opts.Limit), 0)
	}
	x.room.shared = opts.Semaphore
	e.extras.Store(x)
}

// Go starts t. It blocks while the engine is at its limit.
func (e *Engine[T]) Go(t T) { e.start(entry[T]{t, e.settings().meta()}) }

// GoNamed is Go for a task with a name of its own.
func (e *Engine[T]) GoNamed(name string, t T) { e.start(entry[T]{t, e.settings().named(name)}) }

func (e *Engine[T]) start(en entry[T]) {
	have := permits{patience: yields}
	if missing := e.push(en, &have); missing != nil {
		e.startSlow(context.Background(), en, have)
	}
}

// TryGo starts t if the engine is not at its limit, and otherwise reports false.
func (e *Engine[T]) TryGo(t T) bool {
	var have permits
	if e.push(entry[T]{t, e.settings().meta()}, &have) != nil {
		e.giveBack(have)
		return false
	}
	return true
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
	have := permits{patience: yields}
	if missing := e.push(en, &have); missing != nil {
		return e.startSlow(ctx, en, have)
	}
	return nil
}

// startSlow waits for the permits that the task has not got yet, and starts it.
func (e *Engine[T]) startSlow(ctx context.Context, en entry[T], have permits) error {
	runtime.Gosched()
	if ctx.Err() != nil {
		e.giveBack(have)
		return context.Cause(ctx)
	}
	have.patience = parks
	for missing := e.push(en, &have); missing != nil; missing = e.push(en, &have) {
		if have.shared {
			// SetLimit has made a first limit meanwhile. Others need not
			// wait for that.
			e.settings().semaphore.Release(1)
			have.shared = false
		}
		if err := missing.Acquire(ctx, 1); err != nil {
			e.giveBack(have)
			return err
		}
		if missing == e.settings().shared() {
			have.shared = true
		} else {
			have.own = true
		}
	}
	return nil
}

// giveBack is for a task that will not be started.
func (e *Engine[T]) giveBack(have permits) {
	core.RaceDisable()
	e.mu.Lock()
	own := e.extras.Load().room.abandon(have)
	e.mu.Unlock()
	core.RaceEnable()
	e.release(own, have.shared)
}

// release gives permits back. The race detector must not take that for an edge
// between this task and the one that gets them next.
func (e *Engine[T]) release(own int64, shared bool) {
	core.RaceDisable()
	if own > 0 {
		e.extras.Load().room.own.Load().Release(own)
	}
	if shared && e.settings().shared() != nil {
		e.settings().semaphore.Release(1)
	}
	core.RaceEnable()
}

// push puts a task into the queue and sees to it that a goroutine will take it.
// If the task needs a permit that it has not got and that is not free, push does
// not accept it, and returns the semaphore to wait at.
func (e *Engine[T]) push(en entry[T], have *permits) (missing *core.Semaphore) {
	core.RaceDisable()
	e.mu.Lock()
	if e.ended.Load() {
		e.mu.Unlock()
		core.RaceEnable()
		e.release(0, have.shared)
		panic("group: Go on " + e.title() + ", which has ended")
	}
	if x := e.extras.Load(); x != nil {
		if missing := x.room.admit(have); missing != nil {
			e.mu.Unlock()
			core.RaceEnable()
			return missing
		}
	}
	e.active.Store(e.active.Load() + 1)
	if core.RaceHidden {
		e.goroutines.Add(1)
		e.mu.Unlock()
		core.RaceEnable()
		go e.serve(en, true)
		return nil
	}
	e.queue.push(en)
	// One spare keeps the invariant; up to one for each P spreads short tasks.
	more := e.spares == 0 || e.spares < e.queue.n && e.spares < e.procsLocked()
	if more {
		e.spares++
		e.goroutines.Add(1)
		if e.work == nil {
			e.work = func() { e.serve(entry[T]{}, false) }
		}
	}
	e.mu.Unlock()
	if more {
		go e.work()
	}
	return nil
}

// procsLocked is called with mu held.
func (e *Engine[T]) procsLocked() uint32 {
	if e.procs == 0 {
		e.procs = uint32(runtime.GOMAXPROCS(0))
	}
	return e.procs
}

// serve is the life of a goroutine: it runs one task after another. In a -race
// build that hides bookkeeping it is given its only one.
func (e *Engine[T]) serve(en entry[T], given bool) {
	var r *running
	core.Call(func() {
		for ran := false; given || e.next(&en, ran); ran, given = true, false {
			if en.meta == nil {
				en.task.Run()
				continue
			}
			r = e.enter(en.meta, r)
			en.task.Run()
			e.leave(en.meta, r)
		}
		e.goroutines.Done()
	}, func(p *core.PanicError) { e.aborted(en, r, p) })
}

// next ends the task that the goroutine has run, if it has run one, and gets it
// the next. It reports false if there is none; the goroutine has to exit then.
//
// Where somebody waits for room, new tasks are about to come. The goroutine stays
// for them as a spare, for a turn or two: a yield costs less than a goroutine.
func (e *Engine[T]) next(en *entry[T], ran bool) bool {
	for turns := 2; ; turns-- {
		found, stay := e.take(en, ran, turns > 0)
		if !stay {
			return found
		}
		runtime.Gosched()
		ran = false
	}
}

// take ends the task that a goroutine has run, if it has run one, and takes one
// out of the queue. If there is none and the goroutine may stay, take says whether
// that is worth while; the goroutine is spare then.
func (e *Engine[T]) take(en *entry[T], ran, mayStay bool) (found, stay bool) {
	core.RaceDisable()
	e.mu.Lock()
	if ran {
		e.active.Store(e.active.Load() - 1)
	} else {
		e.spares--
	}
	more := false
	if found = e.queue.n > 0; found {
		*en = e.queue.pop()
		more = e.queue.n > 0 && e.spares == 0
	}
	x := e.extras.Load()
	var own int64
	if x != nil {
		own = x.room.leave(ran, e.queue.n == 0)
		stay = !found && mayStay && x.room.expects()
	}
	if more {
		e.goroutines.Add(1)
	}
	if more || stay {
		e.spares++
	}
	e.mu.Unlock()
	core.RaceEnable()
	if more {
		go e.work()
	}
	if x != nil {
		e.release(own, ran)
	}
	return found, stay
}

// end ends a task whose goroutine will take no other, because it exits.
func (e *Engine[T]) end() {
	core.RaceDisable()
	e.mu.Lock()
	e.active.Store(e.active.Load() - 1)
	var own int64
	if x := e.extras.Load(); x != nil {
		own = x.room.leave(true, e.queue.n == 0)
	}
	e.mu.Unlock()
	core.RaceEnable()
	e.release(own, true)
	e.goroutines.Done()
}

// aborted ends a task that has panicked, or, if p is nil, has called Goexit. It
// runs on top of the stack that did so.
func (e *Engine[T]) aborted(en entry[T], r *running, p *core.PanicError) {
	policy := e.settings().policy()
	if p != nil && policy == Crash {
		// Nothing recovers this, so the process dies here, with the frames of
		// the first panic on the stack. The task does not end: a Wait that
		// returned now could let main exit with status 0.
		panic(p.Value)
	}
	end := func() {
		if en.meta != nil {
			e.leave(en.meta, r)
		}
		e.end()
	}
	core.Call(func() {
		switch {
		case en.task.Aborted(p):
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
	limit := int64(n)
	if n < 0 {
		limit = math.MaxInt32 // more than the counter can count
	}
	core.RaceDisable()
	e.mu.Lock()
	e.extrasLocked().room.setLimit(limit, int64(e.active.Load()))
	e.mu.Unlock()
	core.RaceEnable()
}

// Running returns the number of tasks that have been accepted and have not ended.
func (e *Engine[T]) Running() int {
	core.RaceDisable()
	e.mu.Lock()
	n := e.active.Load()
	e.mu.Unlock()
	core.RaceEnable()
	return n
}

// Fail makes Wait raise p as if a task had panicked with it; if p is nil, as if a
// task had called Goexit.
func (e *Engine[T]) Fail(p *core.PanicError) {
	core.RaceDisable()
	x := e.extras.Load()
	if x == nil {
		e.mu.Lock()
		x = e.extrasLocked()
		e.mu.Unlock()
	}
	core.RaceEnable()
	x.failures.Add(p)
}

// Wait blocks until every task has ended, and then raises what they raised.
func (e *Engine[T]) Wait() {
	seen := e.failures().Seen()
	e.goroutines.Wait()
	e.failures().Raise(seen)
}

// WaitContext is Wait that gives up when ctx is done, with a [*StuckError]. It
// panics if ctx is that of a task of this engine, for which it would wait.
func (e *Engine[T]) WaitContext(ctx context.Context) error {
	if ctx == nil {
		panic("group: nil context")
	}
	if e.Within(ctx) {
		panic("group: WaitContext on " + e.title() + " within one of its own tasks")
	}
	seen := e.failures().Seen()
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
	for ended := false; !ended; {
		e.goroutines.Wait()
		core.RaceDisable()
		e.mu.Lock()
		ended = e.active.Load() == 0
		e.ended.Store(ended)
		if x := e.extras.Load(); ended && x != nil && x.room.own.Load() != nil {
			x.room.setLimit(math.MaxInt32, 0) // wakes those who wait for room, to panic
		}
		e.mu.Unlock()
		core.RaceEnable()
	}
	e.goroutines.Wait() // for those that have found the queue empty and not left yet
}

// settings returns nil if there are none.
func (e *Engine[T]) settings() *settings {
	if x := e.extras.Load(); x != nil {
		return x.settings
	}
	return nil
}

// failures returns nil if nothing has failed yet.
func (e *Engine[T]) failures() *Failures {
	if x := e.extras.Load(); x != nil {
		return &x.failures
	}
	return nil
}

// extrasLocked is called with mu held.
func (e *Engine[T]) extrasLocked() *extras {
	x := e.extras.Load()
	if x == nil {
		x = new(extras)
		e.extras.Store(x)
	}
	return x
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
