package group

import (
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/coterie-go/coterie/core"
)

// A failure is what one task raised, linked to what was raised before it in the
// same round. It does not change once it is listed.
type failure struct {
	panicked *core.PanicError // nil for a Goexit
	earlier  core.Guarded[*failure]
	listed   atomic.Bool // makes panicked visible to whoever raises it
}

// raise does what the tasks of the round did, of which f is the last: it panics
// with all their panics, or else calls Goexit. f may be nil.
func (f *failure) raise() {
	if f == nil {
		return
	}
	if p := combine(f.panics()); p != nil {
		panic(p)
	}
	runtime.Goexit()
}

// panics returns the panics of the round, the first of them first.
func (f *failure) panics() []*core.PanicError {
	var all []*core.PanicError
	for ; f != nil; f = f.earlier.Load() {
		if f.listed.Load() && f.panicked != nil {
			all = append(all, f.panicked)
		}
	}
	slices.Reverse(all)
	return all
}

// combine makes one panic of several: the first, with the further ones as its
// Others. The same panic may have come by several ways, as by Future.Get and by
// Wait; it counts once. The result is nil if there are none.
func combine(panics []*core.PanicError) *core.PanicError {
	switch len(panics) {
	case 0:
		return nil
	case 1:
		return panics[0]
	}
	first := *panics[0]
	first.Others = nil
	known := map[any]bool{origin(panics[0]): true}
	for _, p := range panics {
		for i, other := range append([]*core.PanicError{p}, p.Others...) {
			if known[origin(other)] {
				continue
			}
			known[origin(other)] = true
			if i == 0 {
				alone := *p // its Others are listed beside it
				alone.Others = nil
				other = &alone
			}
			first.Others = append(first.Others, other)
		}
	}
	return &first
}

// origin returns what two PanicErrors have in common that tell of the same panic.
func origin(p *core.PanicError) any {
	if len(p.Stack) > 0 {
		return &p.Stack[0]
	}
	return p
}
