// Package told records which panics a Get has raised. It gives core/sched access to a field that
// core does not export.
package told

import "github.com/coterie-go/coterie/core/race"

// A Flag records whether a Get has raised a panic. All copies of one PanicError share it, except
// those that Again makes.
type Flag struct {
	told  race.Bool
	first *Flag // in a flag of Again; otherwise nil
}

// First returns a value that is equal for the flags of one panic.
func (f *Flag) First() *Flag {
	if f.first != nil {
		return f.first
	}
	return f
}

// Next returns a flag for the same panic.
func (f *Flag) Next() *Flag { return &Flag{first: f.First()} }

// Set records that a Get is about to raise the panic. It does nothing if f is nil.
func (f *Flag) Set() {
	if f != nil {
		f.told.Store(true)
	}
}

// IsSet reports whether Set was called. It reports false if f is nil.
func (f *Flag) IsSet() bool { return f != nil && f.told.Load() }

// Again returns a copy of a *core.PanicError with a flag of its own: a task panics with it, and has
// it from a Get. It returns any other *core.PanicError itself. Package core sets Again when it is
// initialized.
var Again func(panicked error) error

// Of returns the flag of a *core.PanicError, or nil if it has none. Package core sets Of when it
// is initialized.
var Of func(panicked error) *Flag
