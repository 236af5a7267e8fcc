// Package park blocks a goroutine until another goroutine wakes it.
package park

import (
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core/internal/list"
	"github.com/coterie-go/coterie/core/race"
)

// A Parker serves one wait of one goroutine. [Get] makes it. Another goroutine may call
// [Parker.Wake] once. The goroutine that waits calls [Parker.Free] at the end.
//
// A wait that only Wake can end blocks on a sync.Cond, which allocates nothing. A wait that can be
// given up blocks on a channel, because only select waits for two events. Both block durably in a
// testing/synctest bubble. A channel belongs to the bubble in which it was made, so each wait makes
// its own. The rest belongs to no bubble, and is reused.
//
// The race detector sees no edge from Wake to the end of the wait. It sees that the goroutine
// blocks: in a bubble the code before the block happens before the return of synctest.Wait.
type Parker struct {
	state atomic.Int32
	cond  sync.Cond     // its L is the Parker itself, as a condLocker
	woken chan struct{} // written before other goroutines have the Parker; nil: block on cond

	Next   *Parker            // links a list of Parkers
	Link   list.Elem[*Parker] // in a queue; guarded by the lock of the queue
	N      int64              // a number that the owner of the queue uses
	Result any                // from the goroutine that calls Wake to the goroutine that waits
}

// The states of a Parker. parked is set only if the goroutine blocks on cond.
const (
	waiting = iota
	parked
	woken
)

var parkers = sync.Pool{New: func() any { return makeParker() }}

func makeParker() *Parker {
	p := new(Parker)
	p.cond.L, p.Link.Value = (*condLocker)(p), p
	return p
}

// A condLocker is a Parker as the Locker of its cond. cond.Wait calls Unlock when a Signal can
// reach the goroutine. Unlock records that in state, so that Wake signals only then.
type condLocker Parker

// Lock reads what Wake has written. Signal synchronizes before the end of cond.Wait, but the race
// detector does not know that.
func (p *condLocker) Lock() { p.state.Load() }

func (p *condLocker) Unlock() {
	if !p.state.CompareAndSwap(waiting, parked) {
		p.cond.Signal() // Wake came first
	}
}

// Get returns a Parker. Its wait may be given up if cancellable is set.
func Get(cancellable bool) *Parker {
	var p *Parker
	if race.Hidden { // the detector would see the sync.Pool order its users
		p = makeParker()
	} else {
		p = parkers.Get().(*Parker)
	}
	if cancellable || race.Hidden {
		p.woken = make(chan struct{})
	}
	return p
}

// Free makes p available to other goroutines. No goroutine may call Wake after it.
func (p *Parker) Free() {
	if race.Hidden {
		return
	}
	p.state.Store(waiting)
	p.woken, p.Next, p.Result = nil, nil, nil
	parkers.Put(p)
}

// Wake ends the wait. As soon as it is called, p may belong to another goroutine.
func (p *Parker) Wake() {
	if p.woken != nil {
		race.Close(p.woken)
		return
	}
	if p.state.Swap(woken) == parked {
		p.cond.Signal()
	}
}

// WakeAll wakes p and the Parkers that Next links to it.
func WakeAll(p *Parker) {
	for p != nil {
		next := p.Next
		p.Wake()
		p = next
	}
}

// Wait blocks until Wake is called, and reports true. If cancel is closed first, it reports false;
// Wake may still be called then. cancel must be nil unless the Parker is cancellable.
func (p *Parker) Wait(cancel <-chan struct{}) bool {
	if c := race.Load(&p.woken); c != nil {
		select {
		case <-c:
			return true
		case <-cancel:
			return false
		}
	}
	p.cond.Wait()
	return true
}
