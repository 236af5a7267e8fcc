package helper

import (
	"sync"

	"github.com/coterie-go/coterie/group"
	xerrgroup "golang.org/x/sync/errgroup"
)

var saved *group.Group

func work() {}

func Spawn(g *group.Group, n int) { // want Spawn:`starts\[0\]`
	for range n {
		g.Go(work)
	}
}

func SpawnDeep(n int, g *group.Group) { Spawn(g, n) } // want SpawnDeep:`starts\[1\]`

func Worker(wg *sync.WaitGroup) { // want Worker:`starts\[0\]`
	defer wg.Done()
	work()
}

func Make(limit int) *group.Group { // want Make:"makes"
	if limit == 0 {
		return group.New(group.Options{})
	}
	g := group.New(group.Options{Limit: limit})
	g.SetLimit(limit)
	return g
}

// What follows may wait, or keeps the owner.

func Finish(g *group.Group)           { g.Wait() }
func Keep(g *group.Group)             { saved = g }
func Later(g *group.Group) func()     { return g.Wait }
func Any(g any)                       {}
func Through(g *group.Group)          { Finish(g) }
func Kept() *group.Group              { return saved }
func Saved() *group.Group             { saved = group.New(group.Options{}); return saved }
func ByValue(g xerrgroup.Group) error { return nil }
