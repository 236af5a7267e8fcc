// Package park blocks one goroutine until another unblocks it.
package park

import (
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core/internal/list"
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
	state atomic.Int32  // where the goroutine blocks on cond
	cond  sync.Cond     // its L is the Parker as a condLocker
	woken chan struct{} // written before the Parker is handed to others; nil: block on cond

	Next   *Parker            // for lists of those that are to be woken
	Place  list.Elem[*Parker] // in a queue, guarded as that is
	N      int64              // the goroutine's: what it waits for
	Result any                // for whoever wakes it to leave something
}

// The states of a Parker whose goroutine blocks on cond.
const (
	waiting = iota
	parked
	woken
)

var parkers = sync.Pool{New: func() any { return makeParker() }}

func makeParker() *Parker {
	p := new(Parker)
	p.cond.L, p.Place.Value = (*condLocker)(p), p
	return p
}

// A condLocker is a Parker as the Locker of its cond. Wait of the cond calls Unlock when a
// Signal can reach the goroutine. That is how Wake knows.
type condLocker Parker

func (p *condLocker) Lock() {}

func (p *condLocker) Unlock() {
	if !p.state.CompareAndSwap(waiting, parked) {
		p.cond.Signal() // Wake came first
	}
}

// Get returns a Parker. Its wait may be given up if cancellable is set.
func Get(cancellable bool) *Parker {
	var p *Parker
	if race.Hidden { // the sync.Pool would order its users
		p = makeParker()
	} else {
		p = parkers.Get().(*Parker)
	}
	if cancellable || race.Hidden {
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
	if p.woken != nil {
		race.Close(p.woken)
		return
	}
	if p.state.Swap(woken) == parked {
		p.cond.Signal()
	}
}

// WakeAll wakes p and those behind it.
func WakeAll(p *Parker) {
	for p != nil {
		next := p.Next
		p.Wake()
		p = next
	}
}

// Wait blocks until Wake is called, or cancel is closed. It returns false in the
// second case; Wake may be called all the same. cancel must be nil unless the Parker is
// cancellable.
func (p *Parker) Wait(cancel <-chan struct{}) bool {
	if p.woken != nil {
		select {
		case <-p.woken:
			return true
		case <-cancel:
			return false
		}
	}
	p.cond.Wait()
	return true
}
