package left

import (
	"context"

	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"
)

func work() {}

var Shared conc.WaitGroup // want `Shared stays a conc.WaitGroup: line 14: code of other packages can use it`

func left(ctx context.Context, n int, pass func(*conc.WaitGroup)) {
	var wg conc.WaitGroup // want `wg stays a conc.WaitGroup: line 18: WaitAndRecover has no equivalent in group.Group`
	_ = wg.WaitAndRecover()
	var other conc.WaitGroup // want `other stays a conc.WaitGroup: line 20: it is passed on, copied or assigned`
	pass(&other)
	p := pool.New().WithMaxGoroutines(n) // want `p stays a pool.Pool: line 21: this form of declaration cannot be rewritten`
	p.Wait()
	q := pool.New().WithErrors() // want `the pool is not rewritten: use errgroup.Run, or errgroup.RunWith and Options.Collect to get the errors of all tasks`
	_ = q.Wait()
	_ = pool.New().WithContext(ctx).Wait()              // want `the pool is not rewritten: use errgroup.Run`
	iter.ForEach([]int{1}, func(*int) {})               // want `iter.ForEach is not rewritten: use pool.For, which does the same, but stops at the first error and returns it`
	_ = iter.Map([]int{1}, func(*int) int { return 1 }) // want `iter.Map is not rewritten: use pool.MapSlice`
	s := stream.New()                                   // want `the stream is not rewritten: use pool.Map, which yields results in order`
	s.Wait()
}
