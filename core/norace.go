//go:build !race || coterie_instrumented

package core

import "unsafe"

// RaceHidden says whether this build hides bookkeeping from the race detector;
// see race.go, as for all that follows.
const RaceHidden = false

// RaceDisable does nothing in this build.
func RaceDisable() {}

// RaceEnable does nothing in this build.
func RaceEnable() {}

func raceAcquire(unsafe.Pointer) {}

func raceRelease(unsafe.Pointer) {}

// Guarded is a variable that a mutex guards, where the mutex is taken between
// RaceDisable and RaceEnable.
type Guarded[T any] struct{ v T }

// Load returns the variable's value.
func (g *Guarded[T]) Load() T { return g.v }

// Store sets the variable.
func (g *Guarded[T]) Store(v T) { g.v = v }
