// Package copied copies a group. go vet must report that.
package copied

import "github.com/coterie-go/coterie/errgroup"

// Wait waits for a copy.
func Wait(g errgroup.Group) error { return g.Wait() }
