package owner

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/cfg"
)

// An Effect is what a node does to the thing whose paths are followed.
type Effect int

const (
	Begin   Effect = iota + 1 // from here on it has to be ended
	End                       // it is ended, until it begins again
	Settled                   // it will be ended, whatever comes: by a deferred call
)

// Leaves reports whether a path through the function begins a thing and returns without having
// ended it, and where the function returns then. effects tells what a node does, in the order in
// which it does it.
func Leaves(g *cfg.CFG, effects func(ast.Node) []Effect) (token.Pos, bool) {
	type state struct {
		block *cfg.Block
		begun bool
	}
	todo := []state{{g.Blocks[0], false}}
	seen := map[state]bool{todo[0]: true}
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		begun, settled := s.begun, false
		for _, n := range s.block.Nodes {
			for _, e := range effects(n) {
				switch e {
				case Begin:
					begun = true
				case End:
					begun = false
				case Settled:
					settled = true
				}
			}
		}
		if settled {
			continue
		}
		if ret := s.block.Return(); ret != nil && begun {
			return ret.Pos(), true
		}
		for _, next := range s.block.Succs {
			n := state{next, begun}
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return token.NoPos, false
}
