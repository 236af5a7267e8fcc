package a

import (
	"runtime"

	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/pool"
)

func work() {}

type server struct {
	wg conc.WaitGroup // want `wg can be a group.Group, whose Wait also passes on a Goexit, and whose WaitContext can give up .*docs/migrate/conc.md`
}

func (s *server) start() { s.wg.Go(work) }
func (s *server) Close() { s.wg.Wait() }

func use() {
	wg := conc.NewWaitGroup() // want `wg can be a group.Group`
	defer wg.Wait()
	wg.Go(work)
	var other conc.WaitGroup // want `other can be a group.Group`
	other.Go(func() { work() })
	other.Wait()
	p := pool.New().WithMaxGoroutines(3) // want `p can be a group.Group`
	p.Go(work)
	p.Wait()
	q := pool.New() // want `q can be a group.Group`
	q.Go(work)
	q.Wait()
	r := pool.New().WithMaxGoroutines(runtime.GOMAXPROCS(0)) // want `r can be a group.Group`
	r.Wait()
}
