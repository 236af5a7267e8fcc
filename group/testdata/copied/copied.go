// Package copied copies a group. go vet must report that.
package copied

import "github.com/coterie-go/coterie/group"

var g group.Group

// Copy is a mistake.
func Copy() { g := g; g.Wait() }
