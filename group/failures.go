package group

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// Failures keeps what tasks raised until Wait raises it. Every Wait that is under
// way when the first of them takes it raises the same; a later one does not. Like
// [Engine] it is for packages that build an owner of their own. The zero value is
// ready for use.
type Failures struct {
	kept atomic.Pointer[keptFailures] // nil until a task fails
}

type keptFailures struct {
	mu      sync.Mutex
	pending *failure // of the round that is under way
	taken   uint64   // how many have been taken by a Wait
	last    *failure // the one that was taken last
}

// A failure is what the tasks of one round raised.
type failure struct {
	panics []*core.PanicError // in the order in which they were caught
	raised *core.PanicError   // all of them in one; made when it is taken
	goexit bool
}

// Add keeps a panic, or a Goexit if p is nil.
func (f *Failures) Add(p *core.PanicError) {
	if f.kept.Load() == nil {
		f.kept.CompareAndSwap(nil, new(keptFailures))
	}
	kept := f.kept.Load()
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.pending == nil {
		kept.pending = new(failure)
	}
	if p == nil {
		kept.pending.goexit = true
	} else {
		kept.pending.panics = append(kept.pending.panics, p)
	}
}

// Seen is called as a Wait begins; its result is for Raise.
func (f *Failures) Seen() uint64 {
	kept := f.kept.Load()
	if kept == nil {
		return 0
	}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	return kept.taken
}

// Raise raises in a Wait, whose tasks have ended, what they raised: their panics,
// as one, or else a Goexit if there was one. It returns if there was neither.
func (f *Failures) Raise(seen uint64) { f.take(seen).raise() }

// take returns what a Wait has to raise, or nil.
func (f *Failures) take(seen uint64) *failure {
	kept := f.kept.Load()
	if kept == nil {
		return nil
	}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.pending != nil {
		kept.last, kept.pending = kept.pending, nil
		kept.last.raised = combine(kept.last.panics)
		kept.taken++
	}
	if kept.taken == seen {
		return nil
	}
	return kept.last
}

// raise panics with the panics of the round, or else calls Goexit if a task did.
func (f *failure) raise() {
	if f == nil {
		return
	}
	if f.raised != nil {
		panic(f.raised)
	}
	runtime.Goexit()
}

// combine makes one panic of several: the first, with the further ones as its
// Others. The same panic may have come by two ways, as by Future.Get and by Wait;
// it counts once.
func combine(panics []*core.PanicError) *core.PanicError {
	if len(panics) == 0 {
		return nil
	}
	first := *panics[0]
	first.Others = first.Others[:len(first.Others):len(first.Others)]
	known := map[*core.PanicError]bool{panics[0]: true}
	for _, p := range first.Others {
		known[p] = true
	}
	for _, p := range panics[1:] {
		if !known[p] {
			known[p] = true
			first.Others = append(first.Others, p)
		}
	}
	return &first
}
