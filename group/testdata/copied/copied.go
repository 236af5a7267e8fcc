// Package copied copies a group, for go vet to see.
package copied

import "github.com/coterie-go/coterie/group"

var g group.Group

// Copy is a mistake.
func Copy() { g := g; g.Wait() }
