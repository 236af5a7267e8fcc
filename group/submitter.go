package group

import (
	"sync"

	"github.com/coterie-go/coterie/core"
)

// A submitter is somebody who waits in Go for room. The engine's mu guards it. It
// parks on a sync.Cond, which needs no allocation, or, if it can give up, on a
// channel that is made for the one wait. So it belongs to no testing/synctest bubble.
type submitter[T Job] struct {
	task    core.Guarded[entry[T]]
	patient core.Guarded[bool] // does not give up
	state   core.Guarded[submission]
	parked  core.Guarded[bool]

	prev, next core.Guarded[*submitter[T]]

	ready core.Guarded[chan struct{}] // closed to unpark; nil if cond is signalled
	cond  sync.Cond
}

// A submission is what has become of a wait for room.
type submission uint8

const (
	waiting submission = iota
	started            // the task has been accepted
	placed             // a place is reserved for it
	refused            // the scope has ended
)

// settle ends the wait, and reports whether somebody had to be unparked for that.
func (s *submitter[T]) settle(as submission) bool {
	s.state.Store(as)
	if !s.parked.Load() {
		return false
	}
	s.parked.Store(false)
	if ready := s.ready.Load(); ready != nil {
		close(ready)
	} else {
		s.cond.Signal()
	}
	return true
}

// park waits until settle was called or cancel is closed. It lets mu go meanwhile,
// and does not hide from the race detector that the goroutine is parked, because
// that, in a bubble, orders what came before it ahead of synctest.Wait.
func (s *submitter[T]) park(cancel <-chan struct{}) {
	s.parked.Store(true)
	if cancel == nil {
		s.cond.Wait()
		return
	}
	ready := make(chan struct{})
	s.ready.Store(ready)
	s.cond.L.Unlock()
	select {
	case <-ready:
	case <-cancel:
	}
	s.cond.L.Lock()
	s.parked.Store(false)
}

// A parkLocker is an engine's mu as it is let go to park, and taken again.
type parkLocker[T Job] Engine[T]

func (l *parkLocker[T]) Lock() {
	core.RaceDisable()
	(*Engine[T])(l).lock()
}

func (l *parkLocker[T]) Unlock() {
	l.mu.Unlock()
	core.RaceEnable()
}
