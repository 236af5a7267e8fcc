package group

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/coterie-go/coterie/core"
)

// A Job is what an [Engine] runs.
type Job interface {
	// Run does the work. It may block, panic and call runtime.Goexit.
	Run()
	// Aborted is called in the task's goroutine when Run has panicked, with
	// the panic, or has called runtime.Goexit, with nil. It reports whether
	// that is dealt with; if not, the panic policy is applied. Under the policy
	// Crash it is not called for a panic.
	Aborted(p *core.PanicError) bool
}

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
// Call a goroutine spare if it has been started, and has not yet taken a task. A
// spare goroutine runs no code but the engine's, so it gets to the queue whatever
// the tasks do. The invariant, true whenever mu is free, is
//
//	the queue is empty, or there is a spare goroutine.
//
// Three steps could break it, and each mends it before it lets mu go, by counting
// a further spare, which it starts once mu is free, with no code of the user's in
// between. Putting a task into the queue (push) and taking one out (next) are
// two. The third is a goroutine's end: a spare one goes only if it finds the
// queue empty (next), and one whose task panicked or called Goexit was not spare.
//
// In a -race build every task has a goroutine of its own, because sharing one
// would order its tasks in the eyes of the race detector.
type Engine[T Job] struct {
	goroutines core.WaitGroup // that have been started and have not left share or alone

	mu     sync.Mutex // guards what follows; nothing blocks while it is held
	queue  queue[entry[T]]
	spares int
	procs  int    // GOMAXPROCS when work was made
	work   func() // the life of a goroutine; made once, so that go need not allocate

	active  core.Guarded[int]             // the tasks that have been accepted and have not ended
	limit   core.Guarded[*core.Semaphore] // nil until there is a limit, and never again
	ended   core.Guarded[bool]            // by Close
	running core.Guarded[*running]        // the named tasks that run

	settings *settings // nil: all defaults
	failures Failures
}

// An entry is a task and what the engine knows of it.
type entry[T Job] struct {
	task T
	meta *meta // nil for a task without a name and a context
}

// permits are what a task holds from before it is put into the queue until it
// has ended; nil where there is no such limit.
type permits struct{ own, shared *core.Semaphore }

// Init gives the engine its options, before its first use. Its name nests in
// that of the task or owner that ctx carries; ctx may be nil.
func (e *Engine[T]) Init(ctx context.Context, opts Options) {
	opts.check()
	e.settings = newSettings(ctx, opts)
	if opts.Limit > 0 {
		e.limit.Store(core.NewSemaphore(int64(opts.Limit)))
	}
}

// Go starts t. It blocks while the engine is at its limit.
func (e *Engine[T]) Go(t T) {
	en := entry[T]{t, e.settings.meta()}
	if !e.push(en, permits{}) {
		e.goSlow(context.Background(), en)
	}
}

// GoNamed is Go for a task with a name of its own.
func (e *Engine[T]) GoNamed(name string, t T) {
	en := entry[T]{t, e.settings.named(name)}
	if !e.push(en, permits{}) {
		e.goSlow(context.Background(), en)
	}
}

// TryGo starts t if the engine is not at its limit, and otherwise reports false.
func (e *Engine[T]) TryGo(t T) bool {
	en := entry[T]{t, e.settings.meta()}
	for have := (permits{}); !e.push(en, have); {
		have = e.limits()
		if have.own != nil && !have.own.TryAcquire(1) {
			return false
		}
		if have.shared != nil && !have.shared.TryAcquire(1) {
			release(have.own)
			return false
		}
	}
	return true
}

// GoContext starts the task that newTask makes from a context derived from ctx.
// It waits for room until ctx is done, and then returns [context.Cause] of ctx;
// so it does if ctx is done already. newTask is not called then.
func (e *Engine[T]) GoContext(ctx context.Context, newTask func(ctx context.Context) T) error {
	if ctx == nil {
		panic("group: nil context")
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	taskCtx, meta := e.settings.task(ctx, e)
	en := entry[T]{newTask(taskCtx), meta}
	if e.push(en, permits{}) {
		return nil
	}
	return e.goSlow(ctx, en)
}

// goSlow waits for the permits that the task needs, and then starts it.
func (e *Engine[T]) goSlow(ctx context.Context, en entry[T]) error {
	for {
		have := e.limits()
		if have.own != nil {
			if err := have.own.Acquire(ctx, 1); err != nil {
				return err
			}
		}
		if have.shared != nil {
			if err := have.shared.Acquire(ctx, 1); err != nil {
				release(have.own)
				return err
			}
		}
		if e.push(en, have) {
			return nil
		}
		// SetLimit has made a first limit meanwhile. Wait for both anew: to
		// keep one while waiting for the other could be a deadlock.
		release(have.own)
		release(have.shared)
	}
}

func (e *Engine[T]) limits() permits {
	core.RaceDisable()
	e.mu.Lock()
	own := e.limit.Load()
	e.mu.Unlock()
	core.RaceEnable()
	return permits{own, e.settings.shared()}
}

// release gives a permit back. The race detector must not take that for an edge
// between this task and the one that gets the permit next.
func release(s *core.Semaphore) {
	if s != nil {
		core.RaceDisable()
		s.Release(1)
		core.RaceEnable()
	}
}

// push puts a task into the queue and sees to it that a goroutine will take it.
// It reports false, having done nothing, if the task needs permits other than it
// has.
func (e *Engine[T]) push(en entry[T], have permits) bool {
	core.RaceDisable()
	e.mu.Lock()
	if e.ended.Load() || e.limit.Load() != have.own || e.settings.shared() != have.shared {
		ended := e.ended.Load()
		e.mu.Unlock()
		core.RaceEnable()
		if ended {
			panic("group: Go on " + e.title() + ", which has ended")
		}
		return false
	}
	e.active.Store(e.active.Load() + 1)
	if core.RaceHidden || e.work == nil {
		// The first task needs no queue.
		if !core.RaceHidden {
			e.procs = runtime.GOMAXPROCS(0)
			e.work = func() { e.serve(entry[T]{}, false) }
		}
		e.mu.Unlock()
		core.RaceEnable()
		e.goroutines.Add(1)
		go e.serve(en, true)
		return true
	}
	e.queue.push(en)
	// One spare keeps the invariant; up to one for each P spreads short tasks.
	more := e.spares < min(e.queue.n, e.procs)
	if more {
		e.spares++
	}
	e.mu.Unlock()
	if more {
		e.goroutines.Add(1)
		go e.work()
	}
	return true
}

// serve is the life of a goroutine: it runs one task after another, the first of
// which it may have been given.
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

// next ends the task that the goroutine has run, if it has run one, and takes the
// next. It reports false if there is none; the goroutine has to exit then.
func (e *Engine[T]) next(en *entry[T], ran bool) bool {
	var own *core.Semaphore
	core.RaceDisable()
	e.mu.Lock()
	if ran {
		own = e.limit.Load()
		e.active.Store(e.active.Load() - 1)
	} else {
		e.spares--
	}
	found := e.queue.n > 0
	more := false
	if found {
		*en = e.queue.pop()
		if more = e.queue.n > 0 && e.spares == 0; more {
			e.spares++
		}
	}
	e.mu.Unlock()
	core.RaceEnable()
	if more {
		e.goroutines.Add(1)
		go e.work()
	}
	if ran {
		release(own)
		release(e.settings.shared())
	}
	return found
}

// end ends a task whose goroutine will take no other, because it exits.
func (e *Engine[T]) end() {
	core.RaceDisable()
	e.mu.Lock()
	own := e.limit.Load()
	e.active.Store(e.active.Load() - 1)
	e.mu.Unlock()
	core.RaceEnable()
	release(own)
	release(e.settings.shared())
	e.goroutines.Done()
}

// aborted ends a task that has panicked, or, if p is nil, has called Goexit. It
// runs on top of the stack that did so.
func (e *Engine[T]) aborted(en entry[T], r *running, p *core.PanicError) {
	policy := e.settings.policy()
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
		case p != nil && policy == Capture && e.settings.onPanic != nil:
			e.settings.onPanic(p)
		default:
			e.failures.Add(p)
		}
	}, func(p *core.PanicError) {
		if p != nil {
			panic(p) // in OnPanic; crashes, as above
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
		limit = 1<<31 - 1 // more than the counter can count
	}
	core.RaceDisable()
	defer core.RaceEnable()
	e.mu.Lock()
	defer e.mu.Unlock()
	own := e.limit.Load()
	if own == nil {
		// From here on every task gives a permit back as it ends. Those that
		// have been accepted before get theirs now.
		active := int64(e.active.Load())
		own = core.NewSemaphore(active)
		own.TryAcquire(active)
		e.limit.Store(own)
	}
	own.SetLimit(limit)
}

// Running returns the number of tasks that have been accepted and have not ended.
func (e *Engine[T]) Running() int {
	core.RaceDisable()
	defer core.RaceEnable()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.active.Load()
}

// Fail makes Wait raise p as if a task had panicked with it; if p is nil, as if a
// task had called Goexit.
func (e *Engine[T]) Fail(p *core.PanicError) { e.failures.Add(p) }

// Wait blocks until every task has ended, and then raises what they raised.
func (e *Engine[T]) Wait() {
	seen := e.failures.Seen()
	e.goroutines.Wait()
	e.failures.Raise(seen)
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
	seen := e.failures.Seen()
	if err := e.goroutines.WaitContext(ctx); err != nil {
		return e.Stuck(err)
	}
	e.failures.Raise(seen)
	return nil
}

// Close waits until every task has ended, and makes a Go that comes after that
// panic. It raises nothing.
func (e *Engine[T]) Close() {
	for ended := false; !ended; {
		e.goroutines.Wait()
		core.RaceDisable()
		e.mu.Lock()
		ended = e.active.Load() == 0
		e.ended.Store(ended)
		e.mu.Unlock()
		core.RaceEnable()
	}
}

// EndScope is Close, and then raises what tasks raised, for a lexical scope. It is
// to be called by a deferred function, with what recover returned there: a panic
// of the scope's body goes on, with those of the tasks as its Others.
func (e *Engine[T]) EndScope(recovered any) {
	e.Close()
	failed := e.failures.take(0)
	if recovered == nil {
		failed.raise()
		return
	}
	if failed != nil && failed.raised != nil {
		panic(combine(append([]*core.PanicError{core.NewPanicError(recovered)}, failed.panics...)))
	}
	panic(recovered)
}

// Path returns the engine's name within those of the tasks around it.
func (e *Engine[T]) Path() string { return e.settings.name() }

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
		if t.engine == e && t.running.Load() {
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
