//go:build race && !coterie_instrumented

package core

import (
	"runtime"
	"unsafe"
)

// In a -race build the functions of this file keep bookkeeping out of the
// detector's sight. The tag coterie_instrumented leaves them out, so that the
// project's own tests can race the bookkeeping itself.

// RaceHidden says whether this build hides bookkeeping from the race detector.
// An engine then also gives each task a goroutine of its own, because a goroutine
// that runs two tasks orders them. Like all that follows it is of use only to
// packages that build an owner of goroutines.
const RaceHidden = true

// RaceDisable makes the race detector ignore the synchronization of this
// goroutine until RaceEnable. Calls nest. In a build without it they do nothing.
// It hides also the edges that the package's types promise, so Done, Wait, Release
// and Acquire have their place outside.
func RaceDisable() { runtime.RaceDisable() }

// RaceEnable undoes one RaceDisable.
func RaceEnable() { runtime.RaceEnable() }

// raceAcquire orders what follows after every raceRelease of the same address.
func raceAcquire(p unsafe.Pointer) { runtime.RaceAcquire(p) }

// raceRelease orders what came before ahead of every later raceAcquire of the
// same address. It adds to earlier releases.
func raceRelease(p unsafe.Pointer) { runtime.RaceReleaseMerge(p) }

// Guarded is a variable that a mutex guards, where the mutex is taken between
// RaceDisable and RaceEnable. Those hide locks from the detector but not loads
// and stores, so without the mutex's edges an access to the variable would be
// reported; go:norace (which also prevents inlining) hides it too. In other
// builds a Guarded is just its variable.
type Guarded[T any] struct{ v T }

// Load returns the variable's value.
//
//go:norace
func (g *Guarded[T]) Load() T { return g.v }

// Store sets the variable.
//
//go:norace
func (g *Guarded[T]) Store(v T) { g.v = v }
