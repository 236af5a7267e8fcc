package group

import (
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// Failures keeps what tasks raised until Wait raises it. Every Wait that is under
// way when the first of them takes it raises the same; a later one does not. One that
// is so late that meanwhile another round has been taken raises that of the
// later round only; what it has missed another Wait has raised. Like
// [Engine] it is for packages that build an owner of their own. The zero value is
// ready for use.
type Failures struct {
	kept atomic.Pointer[keptFailures] // nil until a task fails
}

type keptFailures struct {
	mu      sync.Mutex             // nothing blocks while it is held
	pending core.Guarded[*failure] // the last of the round that is under way
	last    core.Guarded[*failure] // that of the round that was taken last
	taken   core.Guarded[uint64]   // the number of rounds that have been taken
}

// Add keeps a panic, or a Goexit if p is nil.
func (fs *Failures) Add(p *core.PanicError) {
	f := &failure{panicked: p}
	f.listed.Store(true)
	core.RaceDisable()
	if fs.kept.Load() == nil {
		fs.kept.CompareAndSwap(nil, new(keptFailures))
	}
	kept := fs.kept.Load()
	kept.mu.Lock()
	f.earlier.Store(kept.pending.Load())
	kept.pending.Store(f)
	kept.mu.Unlock()
	core.RaceEnable()
}

// Seen is called as a Wait begins; its result is for Raise.
func (fs *Failures) Seen() (taken uint64) {
	if fs == nil {
		return 0
	}
	core.RaceDisable()
	if kept := fs.kept.Load(); kept != nil {
		kept.mu.Lock()
		taken = kept.taken.Load()
		kept.mu.Unlock()
	}
	core.RaceEnable()
	return taken
}

// Raise raises in a Wait, whose tasks have ended, what they raised: their panics,
// as one, or else a Goexit if there was one. It returns if there was neither.
func (fs *Failures) Raise(seen uint64) { fs.take(seen).raise() }

// take returns what a Wait has to raise, or nil.
func (fs *Failures) take(seen uint64) (f *failure) {
	if fs == nil {
		return nil
	}
	core.RaceDisable()
	if kept := fs.kept.Load(); kept != nil {
		kept.mu.Lock()
		if pending := kept.pending.Load(); pending != nil {
			kept.last.Store(pending)
			kept.pending.Store(nil)
			kept.taken.Store(kept.taken.Load() + 1)
		}
		if kept.taken.Load() != seen {
			f = kept.last.Load()
		}
		kept.mu.Unlock()
	}
	core.RaceEnable()
	return f
}
