package sched

import (
	"runtime"
	"runtime/pprof"
	"sync"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/bridge"
	"github.com/coterie-go/coterie/core/race"
)

// This file holds a worker from its start to its exit. It runs one task after another. It leaves
// when it finds none, or when its task panics or calls Goexit.

// spawn starts the workers that do lists. In a race build the goroutine that calls the scheduler
// runs it, not the hidden one, because the workers inherit the edges into it.
func (s *Scheduler) spawn(do *todo) {
	for range do.spawn {
		go newWorker(s).start()
	}
	for _, set := range race.Copy(do.lends) {
		w := newWorker(s)
		w.lent, w.lentTo = true, set
		go w.start()
	}
	if race.Hidden && do.start != nil {
		s.startDirect(race.Load(do.start))
	}
}

// beginOnly is called by the worker of the only task before it runs the task.
func (w *Worker) beginOnly() {
	if s := w.s; !s.only.CompareAndSwap(starting, running) {
		s.locked(func() {
			s.only.Store(counted)
			if s.shared != nil {
				s.shared.searching--
				s.wakeLocked(1)
			}
		})
	}
}

// endOnly ends the only task, without mu, and reports true. It reports false if the task was
// counted.
func (w *Worker) endOnly() bool {
	w.only = false
	if !w.s.only.CompareAndSwap(running, noTask) {
		return false
	}
	w.busy = false
	return true
}

// work runs tasks until the worker leaves, or a task panics or calls runtime.Goexit.
func (w *Worker) work() {
	if w.only {
		w.beginOnly()
	}
	w.config = w.s.config()
	if w.config.Base != nil {
		pprof.SetGoroutineLabels(w.config.Base)
	}
	if w.config.IdleAfter > 0 {
		w.goroutine = GoroutineID() // here, because the stack is short
	}
	core.Call(func() { w.s.hostTasks(w) }, func(p *core.PanicError) { w.aborted(p, w.exit) })
	w.free()
}

// hostTasks runs the tasks of a worker of s until the worker leaves. It is one function, because
// each return of a goroutine that was blocked costs 5 ns. own.go finds it on stacks.
//
//go:noinline
func (s *Scheduler) hostTasks(w *Worker) {
	for found := w.busy || w.next(); found; found = w.seg != nil && w.claim() || w.next() {
		if race.Hidden || w.config.Isolate {
			w.isolate()
		} else {
			w.task.Run(w)
		}
	}
	runtime.KeepAlive(s) // so that the runtime prints the argument
	runtime.KeepAlive(w)
}

// claim claims the next task of the worker's segment, without mu. It reports false if no task is
// left in it.
func (w *Worker) claim() bool {
	if w.ending != endedWell {
		w.s.locked(func() { w.countLocked() })
	}
	t := w.seg.claim()
	if t == nil {
		return false
	}
	w.task = t
	return true
}

// next counts the worker's task as ended, and claims the next one. It parks while the worker is
// idle. It reports false if the worker leaves.
func (w *Worker) next() bool {
	if w.only && w.endOnly() {
		return false
	}
	for yields := 0; ; yields++ {
		var v verdict
		submitters := false // they were woken
		if race.Hidden {
			v = w.visitHidden(yields)
		} else {
			w.s.lock()
			v = w.visitLocked(yields)
			submitters = w.s.unlock()
		}
		switch v {
		case begin:
			if submitters {
				runtime.Gosched() // to the submitters
			}
			return true
		case again:
			runtime.Gosched()
		case parkIdle:
			w.parker.Wait(nil)
			w.parker.Free()
			w.parker = nil
			yields = -1
		default:
			w.leave()
			return false
		}
	}
}

// workers holds Workers that are not in use.
var workers = sync.Pool{New: func() any { return new(Worker) }}

func newWorker(s *Scheduler) *Worker {
	var w *Worker
	if race.Hidden { // the detector would see the pool order tasks
		w = new(Worker)
	} else {
		w = workers.Get().(*Worker)
	}
	if w.start == nil {
		w.start = w.work
	}
	w.s = s
	return w
}

func (w *Worker) free() {
	if !race.Hidden {
		*w = Worker{start: w.start}
		workers.Put(w)
	}
}

// aborted gives the panic p of the worker's task, or, if p is nil, its Goexit, to the owner and the
// observers. Then it calls ended. It runs on top of the task's stack.
func (w *Worker) aborted(p *core.PanicError, ended func()) {
	if p != nil {
		p = w.record.withTask(bridge.Again(p).(*core.PanicError))
	}
	w.panicked(p)
	t := unnamed(w.task)
	end := func() {
		if t, ok := t.(future); ok {
			t.Abort(p)
		}
		if w.context != nil {
			w.context.ended.Store(true)
		}
		ended()
	}
	core.Call(func() {
		defer w.s.abort(w.set, t, p) // also if an observer calls Goexit
		w.watchAborted(p)
	}, func(again *core.PanicError) {
		if again != nil {
			panic(again.Value) // nothing recovers it: the process ends
		}
		end() // the owner's function, or an observer, has called Goexit
	})
	end()
}

// panicked records for the counts that the task has panicked, if p is not nil.
func (w *Worker) panicked(p *core.PanicError) {
	if p != nil && w.ending != endedHelper {
		w.ending = endedPanicked
	}
}

// abort gives the panic or Goexit of a task to the owner. Wait raises it if there is no owner.
func (s *Scheduler) abort(set *Set, t Task, p *core.PanicError) {
	if owner := race.Load(&s.Owner); owner != nil {
		owner.Aborted(s, set, t, p)
		return
	}
	s.Fail(p)
}

// exit counts the worker's task as ended, and the worker as gone. Its goroutine is about to exit.
// Other workers steal the rest of its segment.
func (w *Worker) exit() {
	w.publish()
	if race.Hidden && w.direct { // its goroutine does nothing more, so the edges into it are harmless
		w.s.lock()
		w.exitLocked()
		w.s.unlock()
	} else {
		w.s.locked(w.exitLocked)
	}
	w.leave()
}

func (w *Worker) exitLocked() {
	s, set := w.s, w.lentTo
	w.endLocked()
	if set != nil {
		set.returnLocked()
		set.lendOneLocked()
	}
	if s.shared != nil {
		s.admitLocked()
		s.wakeLocked(1)
		if w.unlistLocked(); !w.lent && !w.direct {
			w.goneLocked()
		}
	}
	s.releaseWaitersLocked()
}

// leave wakes the goroutine that waits in runInline for this worker, if there is one. The worker is
// no longer counted.
func (w *Worker) leave() {
	if w.caller != nil {
		w.caller.Wake()
	}
}

// publish makes the happens-before edges from the end of the task, in race builds: to the waits for
// its set and to the waits for all tasks.
func (w *Worker) publish() {
	w.releaseOrder()
	if w.set != nil {
		w.set.ended.Release()
	}
	w.s.ended.Release()
}

// Fail makes Wait raise p, as if a task had panicked with it. Wait calls runtime.Goexit if p is
// nil.
func (s *Scheduler) Fail(p *core.PanicError) {
	s.locked(func() { addLocked(&s.share().failures, s.shared, p) })
}

// Fail makes a wait for the set raise p, as Scheduler.Fail does.
func (set *Set) Fail(p *core.PanicError) {
	set.scheduler().locked(func() { addLocked(&set.failures, set, p) })
}
