// Package told records which panics a Get has raised. It gives core/sched access to a field that
// core does not export.
package told

import "github.com/coterie-go/coterie/core/race"

// A Flag records whether a Get has raised a panic. All copies of one PanicError share it.
type Flag struct{ told race.Bool }

// Set records that a Get is about to raise the panic. It does nothing if f is nil.
func (f *Flag) Set() {
	if f != nil {
		f.told.Store(true)
	}
}

// IsSet reports whether Set was called. It reports false if f is nil.
func (f *Flag) IsSet() bool { return f != nil && f.told.Load() }

// Of returns the flag of a *core.PanicError, or nil if it has none. Package core sets Of when it
// is initialized.
var Of func(panicked error) *Flag
