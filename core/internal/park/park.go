// Package park blocks one goroutine until another unblocks it.
package park

import (
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core/race"
)

// A Parker is the place of one wait of one goroutine. [Get] makes it, other goroutines
// may call [Parker.Wake] once, and its own goroutine calls [Parker.Free] in the end.
//
// A wait that nothing but Wake ends blocks on a sync.Cond, which needs no allocation. One
// that can be given up blocks on a channel, because only select waits for two things. Both
// block durably in a testing/synctest bubble. A channel belongs to its bubble, so each
// wait makes its own; the rest belongs to none, and is used again.
//
// The race detector sees no edge from Wake to the end of the wait. It sees that the
// goroutine blocks: in a bubble that orders what came before ahead of synctest.Wait.
type Parker struct {
	state atomic.Int32
	mu    sync.Mutex
	cond  sync.Cond
	woken chan struct{} // written before the Parker is handed to others; nil: block on cond

	Next   *Parker // for lists of those that are to be woken
	Result any     // for whoever wakes it to leave something
}

// The states of a Parker. parked is set only where the goroutine blocks on cond.
const (
	waiting = iota
	parked
	woken
)

var parkers = sync.Pool{New: func() any {
	p := new(Parker)
	p.cond.L = &p.mu
	return p
}}

// Get returns a Parker. Its wait may be given up if cancellable is set.
func Get(cancellable bool) *Parker {
	if race.Hidden {
		return &Parker{woken: make(chan struct{})}
	}
	p := parkers.Get().(*Parker)
	if cancellable {
		p.woken = make(chan struct{})
	}
	return p
}

// Free lets another goroutine use p, which nobody will wake any more.
func (p *Parker) Free() {
	if race.Hidden {
		return
	}
	p.state.Store(waiting)
	p.woken, p.Next, p.Result = nil, nil, nil
	parkers.Put(p)
}

// Wake ends the wait. The Parker may be in other hands as soon as it is called.
func (p *Parker) Wake() {
	if c := p.woken; c != nil {
		race.Disable()
		p.state.Store(woken)
		close(c)
		race.Enable()
		return
	}
	if p.state.Swap(woken) != parked {
		return
	}
	p.mu.Lock() // so that the goroutine is in cond.Wait
	p.cond.Signal()
	p.mu.Unlock()
}

// WakeAll wakes p and those behind it.
func WakeAll(p *Parker) {
	for p != nil {
		next := p.Next
		p.Wake()
		p = next
	}
}

// Woken reports whether Wake was called.
func (p *Parker) Woken() bool {
	race.Disable()
	is := p.state.Load() == woken
	race.Enable()
	return is
}

// Wait blocks until Wake is called, or cancel is closed. It returns false in the
// second case; Wake may be called all the same. cancel must be nil unless the Parker is
// cancellable.
func (p *Parker) Wait(cancel <-chan struct{}) bool {
	if c := race.Load(&p.woken); c != nil {
		select {
		case <-c:
			return true
		case <-cancel:
			return false
		}
	}
	p.mu.Lock()
	if p.state.CompareAndSwap(waiting, parked) {
		p.cond.Wait()
	}
	p.mu.Unlock()
	return true
}
