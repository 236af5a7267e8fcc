//go:build race && !coterie_instrumented

package core

import (
	"runtime"
	"unsafe"
)

// In a -race build the functions of this file keep the package's bookkeeping
// out of the detector's sight. The tag coterie_instrumented leaves them out, so
// that the project's own tests can race the bookkeeping itself.

// raceDisable makes the detector ignore the synchronization of this goroutine
// until raceEnable. Calls nest.
func raceDisable() { runtime.RaceDisable() }

func raceEnable() { runtime.RaceEnable() }

// raceAcquire orders what follows after every raceRelease of the same address.
func raceAcquire(p unsafe.Pointer) { runtime.RaceAcquire(p) }

// raceRelease orders what came before ahead of every later raceAcquire of the
// same address. It adds to earlier releases.
func raceRelease(p unsafe.Pointer) { runtime.RaceReleaseMerge(p) }

// guarded is a variable that a mutex guards. RaceDisable hides locks from the
// detector but not loads and stores, so without the mutex's edges an access to
// it would be reported; go:norace (which also prevents inlining) hides it too.
type guarded[T any] struct{ v T }

//go:norace
func (g *guarded[T]) load() T { return g.v }

//go:norace
func (g *guarded[T]) store(v T) { g.v = v }
