// Package bridge connects core and core/sched. core/sched imports core, and each uses something of the
// other that it does not export. The other sets it here when it is initialized.
package bridge

import "github.com/coterie-go/coterie/core/race"

// Raised records whether a Get has raised a panic. All copies of one PanicError share it.
type Raised struct{ raised race.Bool }

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

// NoteWait records that the caller is about to wait for the result of a task of the owner with this
// number. The caller calls end after the wait. Package core/sched sets NoteWait.
var NoteWait func(owner uint32) (end func())
