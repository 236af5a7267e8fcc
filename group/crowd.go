package group

import (
	"math"
	"runtime"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// A crowd is what an engine needs from its second task on, or when it has options, a
// task with a name or a context, or one that has failed. The engine's mu guards it, but
// for the pointer to extras, and for work, which does not change.
type crowd[T Job] struct {
	extras atomic.Pointer[extras[T]] // made by Init, or later with mu held, and then kept

	// In a -race build that hides bookkeeping these are not used.
	procs uint16 // GOMAXPROCS when it was first asked for
	work  func() // the life of a goroutine; made once, so that go need not allocate
	queue queue[T]
}

func newCrowd[T Job]() *crowd[T] {
	c := new(crowd[T])
	if !core.RaceHidden {
		c.queue.init()
	}
	return c
}

// processors returns the number of Ps.
func (c *crowd[T]) processors() uint16 {
	if c.procs == 0 {
		c.procs = uint16(min(runtime.GOMAXPROCS(0), math.MaxUint16))
	}
	return c.procs
}

// extrasLocked is called with mu held.
func (c *crowd[T]) extrasLocked() *extras[T] {
	x := c.extras.Load()
	if x == nil {
		x = newExtras[T]()
		c.extras.Store(x)
	}
	return x
}
