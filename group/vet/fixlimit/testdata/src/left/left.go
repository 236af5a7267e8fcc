package left

import (
	"sync"

	"github.com/coterie-go/coterie/group"
)

func work(...any) {}

func size(n int) {
	var g group.Group
	slots := make(chan struct{}, n) // want `slots limits g and is not rewritten: its capacity may be 0, and a Limit of 0 means no limit; use group.Options`
	slots <- struct{}{}
	g.Go(func() {
		defer func() { <-slots }()
	})
	g.Wait()
}

func otherUse() {
	var g group.Group
	slots := make(chan struct{}, 3) // want `slots limits g and is not rewritten: it has other uses`
	slots <- struct{}{}
	g.Go(func() {
		defer func() { <-slots }()
		work(len(slots))
	})
	g.Wait()
}

func otherTask() {
	var g group.Group
	slots := make(chan struct{}, 3) // want `slots limits g and is not rewritten: some tasks do not send to it`
	slots <- struct{}{}
	g.Go(func() {
		defer func() { <-slots }()
	})
	g.Go(func() { work() })
	g.Wait()
}

func before() {
	var g group.Group
	g.Wait()
	slots := make(chan struct{}, 3) // want `slots limits g and is not rewritten: the group is used before the channel is made`
	slots <- struct{}{}
	g.Go(func() {
		defer func() { <-slots }()
	})
	g.Wait()
}

func options() {
	g := group.New(group.Options{Name: "named"})
	slots := make(chan struct{}, 3) // want `slots limits g and is not rewritten: the group is not declared in the same block by var g group.Group`
	slots <- struct{}{}
	g.Go(func() {
		defer func() { <-slots }()
	})
	g.Wait()
}

// What follows is no limit that each task holds from before its start to its end.

func inside() {
	var g group.Group
	slots := make(chan struct{}, 3)
	g.Go(func() {
		slots <- struct{}{}
		defer func() { <-slots }()
	})
	g.Wait()
}

func notFirst() {
	var g group.Group
	slots := make(chan struct{}, 3)
	slots <- struct{}{}
	g.Go(func() {
		defer work()
		defer func() { <-slots }()
	})
	g.Wait()
}

func somewhereElse() {
	var g group.Group
	slots := make(chan struct{}, 3)
	slots <- struct{}{}
	work()
	g.Go(func() {
		defer func() { <-slots }()
	})
	g.Wait()
}

func plain() {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 3)
	slots <- struct{}{}
	wg.Go(func() {
		defer func() { <-slots }()
	})
	wg.Wait()
}
