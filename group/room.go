package group

import "github.com/coterie-go/coterie/core"

// A room says how many further tasks an engine may accept. The engine's mu guards
// it; nothing here blocks.
//
// Every task holds a permit of own, and in a busy engine the next task gets it
// without a detour through the semaphore: a task that ends leaves its permit here,
// as a credit, for the next one to be accepted. The semaphore is for those who have
// to wait. While somebody does, credits go back to it, but only once the queue is
// empty, so that whoever is woken finds room for several tasks. Whenever mu is free,
//
//	there is no credit, or nobody waits, or the queue is not empty;
//
// and a queue that is not empty is emptied without anybody's help, because nobody
// can use the credits while others wait.
type room struct {
	own    core.Guarded[*core.Semaphore] // nil until there is a limit, and never again
	shared *core.Semaphore               // of Options; nil if there is none

	// In a -race build that hides bookkeeping there are no credits, and these
	// are not touched.
	credits int64 // permits of own that no task holds
	waiting int   // those who wait for a permit of own, or have got one and not come back with it
	debt    int64 // permits to be given back to own as tasks end, since SetLimit has shrunk it
}

// admit gets the permits that a task has not got yet, if they are free. If not it
// returns the semaphore to wait at.
func (r *room) admit(have *permits) (missing *core.Semaphore) {
	if have.waiting {
		have.waiting = false
		r.waiting--
	}
	if own := r.own.Load(); own != nil && !have.own {
		if !core.RaceHidden && r.credits > 0 && r.waiting == 0 {
			r.credits--
		} else if !own.TryAcquire(1) {
			missing = own
		}
		have.own = missing == nil
	}
	if missing == nil && r.shared != nil && !have.shared {
		if !r.shared.TryAcquire(1) {
			missing = r.shared
		}
		have.shared = missing == nil
	}
	if !core.RaceHidden && missing == r.own.Load() && missing != nil && !have.try {
		have.waiting = true
		r.waiting++
	}
	return missing
}

// abandon is for a task that gives up what it has, and returns how many permits
// of own that is.
func (r *room) abandon(have permits) (release int64) {
	if have.waiting {
		r.waiting--
	}
	if have.own {
		return 1
	}
	return 0
}

// leave takes back the permit of own that a task held which has ended.
func (r *room) leave() (release int64) {
	switch {
	case r.own.Load() == nil:
		return 0
	case core.RaceHidden:
		return 1
	case r.debt > 0:
		r.debt--
		return 1
	}
	r.credits++
	return 0
}

// settle returns how many permits have to be given back to own, because somebody
// waits and the queue is empty.
func (r *room) settle(empty bool) (release int64) {
	if core.RaceHidden || r.waiting == 0 || !empty {
		return 0
	}
	release, r.credits = r.credits, 0
	return release
}

// setLimit makes own if there is none; active is the number of tasks, which will
// give a permit back as they end.
func (r *room) setLimit(limit, active int64) {
	own := r.own.Load()
	if own == nil {
		own = core.NewSemaphore(active)
		own.TryAcquire(active)
		r.own.Store(own)
	}
	if !core.RaceHidden {
		own.Release(r.credits)
		r.credits = 0
	}
	own.SetLimit(limit)
	if !core.RaceHidden {
		r.debt = max(0, own.InUse()-limit)
	}
}
