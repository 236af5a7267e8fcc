package sched

import (
	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// isolate runs the worker's task in a goroutine of its own, and returns when that has
// ended. It does so where the owner asks for it, and in race builds always: a goroutine
// that runs two tasks orders them.
//
// In a race build the worker learns nothing from the task but that it has ended. The edges
// are those that are promised: from Go to the task, which the task carries, from the end
// of the task to the waits that cover it, and, where one task runs at a time, from each to the next.
func (w *Worker) isolate() {
	in := &Worker{
		s: w.s, config: w.config, task: w.task, set: w.set, lender: w.lender, order: w.order, inKey: w.inKey, all: w.all,
	}
	ended := park.Get(false)
	go func() {
		if in.order != nil {
			in.order.Acquire()
		}
		if in.inKey != nil {
			in.inKey.Acquire()
		}
		in.runAlone((*Scheduler).hostTasks, func() {
			in.publish()
			ended.Wake()
		})
	}()
	ended.Wait(nil)
	ended.Free()
	w.ending = race.Load(&in.ending)
}

// runAlone runs the worker's task by host, in a goroutine that runs no other, and calls ended, however
// the task ends.
func (w *Worker) runAlone(host func(s *Scheduler, w *Worker, run func(w *Worker)), ended func()) {
	crashes := false
	defer func() {
		if !crashes {
			ended()
		}
	}()
	core.Call(func() { host(w.s, w, (*Worker).runTask) }, func(p *core.PanicError) {
		w.panicked(p)
		w.watchAborted(p)
		core.Call(func() { w.s.abort(w.set, w.task, p) }, func(again *core.PanicError) {
			if again != nil {
				crashes = true
				panic(again.Value) // nothing recovers it: the process ends
			}
		})
	})
}

func (w *Worker) runTask() {
	w.task = uncarry(w.task)
	w.task.Run(w)
}

// carried is a task of a race build, with the edge from its Go.
type carried struct {
	Task
	accepted race.Point
}

// carry returns the task as it is handed to the scheduler.
func carry(t Task) Task {
	if !race.Hidden {
		return t
	}
	c := &carried{Task: t}
	c.accepted.Release()
	return c
}

// uncarry returns what was given to carry.
func uncarry(t Task) Task {
	if c, ok := t.(*carried); ok {
		c.accepted.Acquire()
		return c.Task
	}
	return t
}

// visitHidden is visitLocked in a race build. Its bookkeeping has a Worker of its own,
// hidden, of which the worker gets copies.
func (w *Worker) visitHidden(yields int) (verdict, todo) {
	if w.hidden == nil {
		w.hidden = &Worker{
			s: w.s, config: w.config, task: w.task, set: w.set, busy: w.busy, lent: w.lent, lender: w.lender, goroutine: w.goroutine,
		}
	}
	if w.parker == nil {
		w.parker = park.Get(false)
	}
	type result struct {
		verdict verdict
		do      todo
		task    Task
		set     *Set
		order   *race.Point
		inKey   *race.Point
		all     *race.Point
	}
	h, parker, ending := w.hidden, w.parker, w.ending
	r := race.Get(func() result {
		var do todo
		h.s.lock()
		h.parker, h.ending = parker, ending
		v := h.visitLocked(yields, &do)
		r := result{task: h.task, set: h.set, verdict: v}
		r.inKey, r.all = h.set.points()
		if h.s.shared != nil && h.s.shared.limiter.limit == 1 {
			r.order = &h.s.order
		}
		h.s.unlock(&do)
		do.wake = nil
		r.do = do
		return r
	})
	w.ending = endedWell
	w.task, w.set, w.order, w.inKey, w.all = r.task, r.set, r.order, r.inKey, r.all
	if r.verdict == parkIdle {
		w.busy = false
	}
	w.s.spawn(nil, &r.do)
	return r.verdict, r.do
}

// releasePermit gives a permit back. In the eyes of the race detector that orders nothing:
// the owner's promise is another.
func releasePermit(sem *core.Semaphore) {
	race.Disable()
	sem.Release(1)
	race.Enable()
}

// A direct task is one of a race build that its submitter starts, in a goroutine of its own:
// where none waits for a worker, that takes the fewest goroutines. With more than three
// for each task the race detector forgets what earlier ones did.
type direct struct {
	task    Task
	set     *Set
	ordered bool
}

// goHidden is Go in a race build.
func (s *Scheduler) goHidden(set *Set, t Task) bool {
	if set != nil {
		return s.start(nil, set.place(), set, carry(t)) == nil
	}
	if race.Load(&s.shared) == nil {
		s.locked(func(*todo) { s.share() })
	}
	sem := s.config().Semaphore
	for {
		state := s.enterHidden(sem != nil)
		if state == admitted { // it is not direct
			return s.start(nil, nil, nil, carry(t)) == nil
		}
		if state == refused {
			return false
		}
		if state == hasPlace {
			_ = s.acquire(nil, nil, sem)
			if !s.usePlaceHidden() {
				releasePermit(sem)
				continue
			}
		}
		s.startDirect(direct{t, nil, s.isOrdered()})
		return true
	}
}

// enterHidden blocks until a direct task is counted as running, or a place is reserved.
func (s *Scheduler) enterHidden(reserves bool) submitterState {
	b := newSubmitter()
	b.patient, b.reserves, b.place.Value = true, reserves, b
	s.enter.Release()
	state := s.enterDirect(b)
	if state == blocked {
		state, _ = s.parkSubmitter(nil, b, race.Load(&b.parker))
	}
	return state
}

// enterDirect counts a direct task as running, or reserves it a place, if there is room.
// Otherwise it lists the submitter. It returns admitted if the task cannot be direct. It
// needs no goroutine, because the detector sees nothing of it; so it calls nothing but
// what the compiler puts in its place. The same holds for the functions below.
//
//go:norace
func (s *Scheduler) enterDirect(b *submitter) submitterState {
	race.Disable()
	s.mu.Lock()
	l := &s.shared.limiter
	l.budget = 0
	state := blocked
	switch {
	case l.waiting > 0:
		state = admitted
	case l.closed:
		state = refused
	case !l.submitters.Empty() || s.busy+l.reserved >= l.limit:
		l.submitters.PushBack(&b.place)
	case b.reserves:
		state = hasPlace
		l.reserved++
	default:
		state = started
		s.busy++
		s.shared.accepted++
	}
	s.mu.Unlock()
	race.Enable()
	return state
}

// usePlaceHidden is usePlace for a direct task.
//
//go:norace
func (s *Scheduler) usePlaceHidden() bool {
	race.Disable()
	s.mu.Lock()
	l := &s.shared.limiter
	l.reserved--
	l.budget = 0
	ok := !l.closed && s.busy+l.reserved < l.limit
	if ok {
		s.busy++
		s.shared.accepted++
	}
	s.mu.Unlock()
	race.Enable()
	return ok
}

// listHidden lists a named task.
//
//go:norace
func (s *Scheduler) listHidden(r *record) {
	race.Disable()
	s.mu.Lock()
	s.shared.named.add(r)
	s.mu.Unlock()
	race.Enable()
}

// isDirectLocked reports whether submitters start their tasks.
func (s *Scheduler) isDirectLocked() bool { return race.Hidden && s.share().limiter.waiting == 0 }

// directLocked counts a direct task as running.
func (s *Scheduler) directLocked(set *Set, t Task) direct {
	s.busy++
	if set != nil {
		set.busy++
	}
	s.shared.accepted++
	return direct{t, set, s.shared.limiter.limit == 1}
}

func (s *Scheduler) isOrdered() bool {
	return race.Load(&race.Load(&s.shared).limiter.limit) == 1
}

func (s *Scheduler) startDirect(d direct) {
	go func() {
		w := &Worker{s: s, config: s.config(), task: d.task, set: d.set, busy: true, direct: true}
		if d.ordered {
			w.order = &s.order
			w.order.Acquire()
		}
		core.Call(func() { s.hostTasks(w, (*Worker).runTask) }, func(p *core.PanicError) { w.aborted(p) })
		if w.busy {
			w.exit()
		}
	}()
}
