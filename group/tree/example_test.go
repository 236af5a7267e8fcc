package tree_test

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/tree"
)

func ExampleTake() {
	group.RunWith(group.Options{Name: "example"}, func(g *group.Group) {
		began, release := make(chan struct{}), make(chan struct{})
		g.GoNamed("fetch", func() { close(began); <-release })
		<-began
		for _, owner := range tree.Take().Owners {
			if owner.Path == "example" {
				fmt.Println(owner.Path, owner.State, owner.Running)
			}
		}
		close(release)
	})
	// Output: example open 1
}

// On SIGQUIT the Go runtime prints all stacks and ends the process. This prints the tree, and
// the program goes on.
func ExampleWrite() {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	defer signal.Stop(quit)
	done := make(chan struct{})
	group.Run(func(g *group.Group) {
		g.Go(func() {
			for {
				select {
				case <-quit:
					_ = tree.Write(os.Stderr, tree.Options{})
				case <-done:
					return
				}
			}
		})
		// Here the program does what it is for.
		close(done)
	})
}

// The page belongs behind the same door as net/http/pprof.
func ExampleHandler() {
	http.Handle("/debug/coterie/", tree.Handler())
}
