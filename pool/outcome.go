package pool

import (
	"github.com/coterie-go/coterie/core"
)

// An outcome is how an item, or a loop, ended, apart from results. The zero
// outcome is success.
type outcome struct {
	err      error
	panicked *core.PanicError
	goexit   bool
}

// aborted is the outcome of what panicked, or, if p is nil, called Goexit.
func aborted(p *core.PanicError) outcome { return outcome{panicked: p, goexit: p == nil} }

func (o outcome) ok() bool { return o.err == nil && o.panicked == nil && !o.goexit }

// add makes the outcome of two of what it is and the outcome of another, later
// one. A panic goes before a Goexit, and that before an error; of two panics, the
// second becomes one of the first's Others, and of two errors the first remains.
func (o *outcome) add(later outcome) {
	switch {
	case o.panicked != nil && later.panicked != nil:
		first := *o.panicked
		first.Others = append(first.Others[:len(first.Others):len(first.Others)], later.panicked)
		o.panicked = &first
	case o.panicked != nil || later.ok():
	case o.ok() || later.panicked != nil || later.goexit && !o.goexit:
		*o = later
	}
}
