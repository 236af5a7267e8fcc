package sched

import (
	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/internal/park"
	"github.com/coterie-go/coterie/core/race"
)

// isolate runs the worker's task in a goroutine of its own, and returns when the task has ended. It
// is used if the Config says so, and in all race builds, because a goroutine that runs two tasks
// orders them.
//
// In a race build the end of the task does not happen before anything that the worker does next.
// There are only the promised edges: from Go to the task, from the end of the task to the waits
// that cover it, and, if the limit is 1, from each task to the next.
func (w *Worker) isolate() {
	in := &Worker{s: w.s, config: w.config, task: w.task, set: w.set, lender: w.lender, order: w.order, all: w.all}
	ended := park.Get(false)
	go func() {
		if in.order != nil {
			in.order.Acquire()
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

// runAlone calls host, which runs the worker's task. The caller's goroutine runs no other task.
// runAlone calls ended also if the task panics or calls Goexit, unless the process is about to end.
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

// carried is a task of a race build with the edge from its Go.
type carried struct {
	Task
	accepted race.Point
}

// carry returns the task that is given to the scheduler for t. In a race build it makes the edge
// from Go.
func carry(t Task) Task {
	if !race.Hidden {
		return t
	}
	c := &carried{Task: t}
	c.accepted.Release()
	return c
}

// uncarry returns the task that was given to carry. In a race build it acquires the edge.
func uncarry(t Task) Task {
	if c, ok := t.(*carried); ok {
		c.accepted.Acquire()
		return c.Task
	}
	return t
}

// visitHidden is visitLocked in a race build. The bookkeeping uses a hidden Worker of its own, and
// copies fields from it to w.
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
		all     *race.Point
	}
	h, parker, ending := w.hidden, w.parker, w.ending
	r := race.Get(func() result {
		var do todo
		h.s.lock()
		h.parker, h.ending = parker, ending
		v := h.visitLocked(yields, &do)
		r := result{task: h.task, set: h.set, verdict: v}
		r.order, r.all = h.set.points()
		if h.s.shared != nil && h.s.shared.limiter.limit == 1 {
			r.order = &h.s.order
		}
		h.s.unlock(&do)
		do.wake = nil
		r.do = do
		return r
	})
	w.ending = endedWell
	w.task, w.set, w.order, w.all = r.task, r.set, r.order, r.all
	if r.verdict == parkIdle {
		w.busy = false
	}
	w.s.spawn(nil, &r.do)
	return r.verdict, r.do
}

// releasePermit releases a permit. It is hidden from the race detector, because owners do not
// promise that a permit orders two tasks.
func releasePermit(sem *core.Semaphore) {
	race.Disable()
	sem.Release(1)
	race.Enable()
}

// A direct task is a task of a race build that its submitter starts in a goroutine of its own. Only
// owners whose accepted tasks begin at once have direct tasks. They need the fewest goroutines:
// with more than three for each task the race detector forgets earlier accesses.
type direct struct {
	task    Task
	set     *Set
	ordered bool
}

// goHidden is Go in a race build.
func (s *Scheduler) goHidden(set *Set, t Task) bool {
	if set != nil {
		return s.start(nil, set, carry(t)) == nil
	}
	if race.Load(&s.shared) == nil {
		s.locked(func(*todo) { s.share() })
	}
	sem := s.config().Semaphore
	for {
		state := s.enterHidden(sem != nil)
		if state == admitted { // the task is not direct
			return s.start(nil, nil, carry(t)) == nil
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

// enterHidden counts a direct task as running, or reserves a place for it. It blocks until there is
// room. It returns refused if the scheduler is closed, and admitted if the task cannot be direct.
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

// enterDirect counts a direct task as running, or reserves a place for it, if there is room.
// Otherwise it lists the submitter. It returns admitted if the task cannot be direct. It is
// compiled without instrumentation, so it needs no hidden goroutine. For that it calls only
// functions that the compiler inlines. The same holds for the functions below with go:norace.
//
//go:norace
func (s *Scheduler) enterDirect(b *submitter) submitterState {
	race.Disable()
	s.mu.Lock()
	l := &s.shared.limiter
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

// isDirectLocked reports whether submitters start their tasks themselves.
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
