// Package bridge connects core and core/sched. core/sched imports core, and each uses something of
// the other that it does not export. The other sets it here when it is initialized.
package bridge

import "github.com/coterie-go/coterie/core/race"

// Raised records whether a Get has raised a panic. All copies of one PanicError share it, except
// those that Again makes.
type Raised struct {
	raised race.Bool
	first  *Raised // the Raised of the panic itself, in a copy that Again has made; otherwise nil
}

// First returns the same for all copies of one PanicError.
func (r *Raised) First() *Raised {
	if r.first != nil {
		return r.first
	}
	return r
}

// Next returns a Raised for a copy that Again makes.
func (r *Raised) Next() *Raised { return &Raised{first: r.First()} }

// Set records that a Get is about to raise the panic. It does nothing if r is nil.
func (r *Raised) Set() {
	if r != nil {
		r.raised.Store(true)
	}
}

// IsSet reports whether Set was called. It reports false if r is nil.
func (r *Raised) IsSet() bool { return r != nil && r.raised.Load() }

// RaisedOf returns the Raised of a *core.PanicError, or nil if it has none. Package core sets it.
var RaisedOf func(panicked error) *Raised

// Again returns a copy of a *core.PanicError with a Raised of its own, for a task that panics with
// what a Get has raised. It returns any other *core.PanicError itself. Package core sets it.
var Again func(panicked error) error

// NoteWait records that the caller is about to wait for the result of a task of the owner with this
// number. The caller calls end after the wait. Package core/sched sets NoteWait.
var NoteWait func(owner uint32) (end func())
