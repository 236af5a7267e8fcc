package group_test

import (
	"context"
	"expvar"
	"fmt"

	"github.com/coterie-go/coterie/group"
)

func ExampleObserve() {
	stop := group.Observe(&group.Observer{Ended: func(e group.Event) {
		fmt.Println(e.Path, "has ended, with panic:", e.Panic != nil)
	}})
	defer stop()
	group.Run(func(g *group.Group) { g.GoNamed("fetch", func() {}) })
	// Output: fetch has ended, with panic: false
}

// The numbers of named tasks for expvar: of each path how many are queued, run, have ended
// and have failed, and how long they ran. With a Prometheus client the maps are vectors with the
// label "path".
func ExampleObserve_expvar() {
	tasks := make(map[string]*expvar.Map)
	for _, name := range []string{"queued", "running", "ended", "failed", "seconds"} {
		tasks[name] = new(expvar.Map) // expvar.NewMap("tasks_" + name), in a program
	}
	stop := group.Observe(&group.Observer{
		Queued: func(e group.Event) { tasks["queued"].Add(e.Path, 1) },
		Started: func(e group.Event) {
			tasks["queued"].Add(e.Path, -1)
			tasks["running"].Add(e.Path, 1)
		},
		Ended: func(e group.Event) {
			switch {
			case e.Ran == 0 && e.Cancelled: // it did not run
				tasks["queued"].Add(e.Path, -1)
				return
			case e.Err != nil || e.Panic != nil:
				tasks["failed"].Add(e.Path, 1)
			}
			tasks["running"].Add(e.Path, -1)
			tasks["ended"].Add(e.Path, 1)
			tasks["seconds"].AddFloat(e.Path, e.Ran.Seconds())
		},
	})
	defer stop()

	g := group.New(group.Options{Name: "ingest"})
	for range 3 {
		g.GoNamed("fetch", func() {})
	}
	g.Wait()
	fmt.Println(tasks["queued"], tasks["running"], tasks["ended"])
	// Output: {"ingest/fetch": 0} {"ingest/fetch": 0} {"ingest/fetch": 3}
}

func ExamplePath() {
	g := group.New(group.Options{Name: "ingest"})
	_ = g.GoContext(context.Background(), func(ctx context.Context) {
		fmt.Println(group.Path(ctx) + ": a line of a log")
	})
	g.Wait()
	// Output: ingest: a line of a log
}
