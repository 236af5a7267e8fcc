package pool

// A rousing is the workers that are to be woken or started once mu is free; they
// count as spare already.
type rousing struct {
	woken *worker // the first of those that were idle, linked by below
	fresh int
}

// lacksLocked reports whether a further worker is needed to keep the invariant.
func (p *Pool) lacksLocked() bool {
	return p.spare.Load() == 0 && p.vacant.Load() > 0 && (p.ring.len() > 0 || p.leftLocked() > 0)
}

// rouseLocked wakes an idle worker, or starts one.
func (p *Pool) rouseLocked(r *rousing) {
	p.vacant.Store(p.vacant.Load() - 1)
	p.spare.Store(p.spare.Load() + 1)
	p.working.Add(1)
	w := p.idle.Load()
	if w == nil {
		p.workers.Store(p.workers.Load() + 1)
		p.alive.Add(1)
		r.fresh++
		return
	}
	p.leaveIdleLocked(w)
	w.below.Store(r.woken)
	r.woken = w
}

// rouse is called when mu is free.
func (p *Pool) rouse(r *rousing) {
	for w := r.woken; w != nil; {
		next := w.below.Load()
		w.wake.Load() <- true
		w = next
	}
	for range r.fresh {
		go p.work()
	}
}
