// Package told remembers of which panics a caller of Get has been told. It lets core/sched
// look at what core does not export.
package told

import "github.com/coterie-go/coterie/core/race"

// A Mark is shared by all copies of one PanicError.
type Mark struct{ told race.Uint64 }

// Set notes that a caller has been told. It does nothing if m is nil.
func (m *Mark) Set() {
	if m != nil {
		m.told.Store(1)
	}
}

// IsSet reports whether a caller has been told. It is false if m is nil.
func (m *Mark) IsSet() bool { return m != nil && m.told.Load() != 0 }

// Of returns the mark of a *core.PanicError, or nil if it has none. Core sets it.
var Of func(panicked error) *Mark
