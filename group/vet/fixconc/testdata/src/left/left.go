package left

import (
	"context"

	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"
)

func work() {}

var Shared conc.WaitGroup // want `Shared is left a conc.WaitGroup: line 14: code of other packages can use it`

func left(ctx context.Context, n int, pass func(*conc.WaitGroup)) {
	var wg conc.WaitGroup // want `wg is left a conc.WaitGroup: line 18: WaitAndRecover has no counterpart that does the same`
	_ = wg.WaitAndRecover()
	var other conc.WaitGroup // want `other is left a conc.WaitGroup: line 20: it is passed on, copied or assigned`
	pass(&other)
	p := pool.New().WithMaxGoroutines(n) // want `p is left a pool.Pool: line 21: it is declared in a way that has no counterpart`
	p.Wait()
	q := pool.New().WithErrors() // want `the pool is left: errgroup.Run, with Collect for the errors of all tasks, does the same`
	_ = q.Wait()
	_ = pool.New().WithContext(ctx).Wait()              // want `the pool is left: errgroup.Run`
	iter.ForEach([]int{1}, func(*int) {})               // want `iter.ForEach is left: pool.For does the same, but stops at the first failure and returns it`
	_ = iter.Map([]int{1}, func(*int) int { return 1 }) // want `iter.Map is left: pool.MapSlice`
	s := stream.New()                                   // want `the stream is left: pool.Map yields its results in order`
	s.Wait()
}
