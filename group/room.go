package group

import "github.com/coterie-go/coterie/core"

// A room says how many further tasks an engine may accept. The engine's mu guards
// it; nothing here blocks.
//
// Every task holds a permit of own, and in a busy engine the next task gets it
// without a detour through the semaphore: a task that ends leaves its permit here,
// as a credit, for the next one to be accepted. The semaphore is for those who have
// to wait. While somebody is parked there, credits go back to it, but only once the queue is
// empty, so that whoever is woken finds room for several tasks. Whenever mu is free,
//
//	there is no credit, or nobody is parked, or the queue is not empty;
//
// and a queue that is not empty is emptied without anybody's help, because nobody
// can use the credits while others are parked.
type room struct {
	own    core.Guarded[*core.Semaphore] // nil until there is a limit, and never again
	shared *core.Semaphore               // of Options; nil if there is none

	// In a -race build that hides bookkeeping there are no credits, and these
	// are not touched.
	credits int64 // permits of own that no task holds
	debt    int64 // permits to be given back to own as tasks end, since SetLimit has shrunk it
	yielded int   // those who have found no permit of own and come back soon
	parked  int   // those who wait at own, or have got a permit there and not come back with it
}

// admit gets the permits that a task has not got yet, if they are free. If not it
// returns the semaphore to wait at.
func (r *room) admit(have *permits) (missing *core.Semaphore) {
	r.count(have, none)
	if own := r.own.Load(); own != nil && !have.own {
		if !core.RaceHidden && r.credits > 0 && r.parked == 0 {
			r.credits--
		} else if !own.TryAcquire(1) {
			r.count(have, have.patience)
			return own
		}
		have.own = true
	}
	if r.shared != nil && !have.shared {
		if !r.shared.TryAcquire(1) {
			return r.shared
		}
		have.shared = true
	}
	return nil
}

// count counts a task as one that waits in this way, and no longer in another.
func (r *room) count(have *permits, as patience) {
	if core.RaceHidden || have.counted == as {
		return
	}
	switch have.counted {
	case yields:
		r.yielded--
	case parks:
		r.parked--
	}
	switch as {
	case yields:
		r.yielded++
	case parks:
		r.parked++
	}
	have.counted = as
}

// abandon is for a task that gives up what it has, and returns how many permits
// of own that is.
func (r *room) abandon(have permits) (release int64) {
	r.count(&have, none)
	if have.own {
		return 1
	}
	return 0
}

// expects reports whether somebody is about to start tasks as soon as there is room.
func (r *room) expects() bool { return !core.RaceHidden && r.yielded+r.parked > 0 }

// leave is called when a task has ended, or one has been taken out of the queue,
// and returns how many permits of own have to be released.
func (r *room) leave(ended, queueEmpty bool) (release int64) {
	if r.own.Load() == nil {
		return 0
	}
	switch {
	case !ended:
	case core.RaceHidden:
		r.own.Load().Release(1) // at once: whoever sees that the task no longer counts finds room
	case r.debt > 0:
		r.debt--
		release = 1
	default:
		r.credits++
	}
	if !core.RaceHidden && r.parked > 0 && queueEmpty {
		release += r.credits
		r.credits = 0
	}
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
