//go:build !race || coterie_instrumented

package core

import "unsafe"

func raceDisable() {}

func raceEnable() {}

func raceAcquire(unsafe.Pointer) {}

func raceRelease(unsafe.Pointer) {}

// guarded is a variable that a mutex guards; see race.go for why it has a type.
type guarded[T any] struct{ v T }

func (g *guarded[T]) load() T { return g.v }

func (g *guarded[T]) store(v T) { g.v = v }
