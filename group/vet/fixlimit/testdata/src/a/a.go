package a

import (
	"runtime"

	"github.com/coterie-go/coterie/group"
)

func work(...any) {}

func limited(items []string) {
	var g group.Group
	// five at a time
	slots := make(chan struct{}, 5) // want `the Limit of g can replace slots, so that no task can forget to give its slot back .*docs/migrate/waitgroup.md`
	for _, item := range items {
		slots <- struct{}{}
		g.Go(func() {
			defer func() { <-slots }() // free again
			defer work()
			work(item)
		})
	}
	g.Wait()
}

func processors(items []string) {
	sem := make(chan bool, runtime.GOMAXPROCS(0)) // not of this kind: a bool is sent
	for range items {
		sem <- true
		<-sem
	}
	tokens := make(chan struct{}, runtime.NumCPU()) // want `the Limit of tasks can replace tokens`
	var tasks group.Group
	tokens <- struct{}{}
	tasks.Go(func() {
		defer func() { <-tokens }()
	})
	defer tasks.Wait()
}
