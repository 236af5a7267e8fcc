package benchmarks

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	conciter "github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/stream"
	"golang.org/x/sync/errgroup"

	"github.com/samber/lo/parallel"
)

func loopWorkloads() []Workload {
	one, ten := body("1us").Do, body("10us").Do
	return []Workload{
		forLoop("loop/for/n=1000000/body=trivial", 1_000_000, trivialItems(1_000_000), serialLimit),
		forLoop("loop/for/n=1000/body=trivial", 1000, trivialItems(1000), serialLimit),
		forLoop("loop/for/n=1000/body=1us", 1000, items(func(int) { one() }), dividedLimit),
		forLoop("loop/for/n=1000/body=10us", 1000, items(func(int) { ten() }), dividedLimit),
		forLoop("loop/for/n=10000/body=skewed", 10_000, items(skewed(10_000)), dividedLimit),
		mapSlice(1_000_000),
		mapSeq(100_000, body("0")),
		mapSeq(10_000, body("1us")),
		mapSeq(1000, body("10us")),
	}
}

// A loopBody is the body of a loop in the form that each peer wants, so that
// none pays for a function around it.
type loopBody struct {
	plain func(i int)
	conc  func(i int, _ *int)
	lo    func(_ int, i int)
	err   func(ctx context.Context, i int) error
}

func trivialItems(n int) loopBody {
	out := make([]int, n)
	return loopBody{
		plain: func(i int) { out[i] = i*7 + 1 },
		conc:  func(i int, _ *int) { out[i] = i*7 + 1 },
		lo:    func(_, i int) { out[i] = i*7 + 1 },
		err:   func(_ context.Context, i int) error { out[i] = i*7 + 1; return nil },
	}
}

// items is for bodies beside which a call more or less is nothing.
func items(f func(i int)) loopBody {
	return loopBody{
		plain: f,
		conc:  func(i int, _ *int) { f(i) },
		lo:    func(_, i int) { f(i) },
		err:   func(_ context.Context, i int) error { f(i); return nil },
	}
}

// skewed is work of 0 to 1.2 us an item, the most of it at the front, so that
// equal shares of the items are far from equal shares of the work.
func skewed(n int) func(i int) {
	const sizes = 64
	bodies := make([]func(), sizes)
	for i := range bodies {
		bodies[i] = compute(time.Duration(1200 * (sizes - i) / sizes))
	}
	return func(i int) { bodies[i*sizes/n]() }
}

type loopLimit func(n int, f func(i int)) Peer

// serialLimit is the loop on one processor, with the body as a function value,
// as it must be for a library.
func serialLimit(n int, f func(i int)) Peer {
	return repeat(Limit, func() {
		for i := range n {
			f(i)
		}
	})
}

// dividedLimit is the items dealt out to the processors one by one.
func dividedLimit(n int, f func(i int)) Peer {
	return division(func(p, ps, runs int) {
		for range runs {
			for i := p; i < n; i += ps {
				f(i)
			}
		}
	})
}

// forLoop calls f for each of n items.
func forLoop(name string, n int, body loopBody, limit loopLimit) Workload {
	in := make([]int, n)
	f := body.plain
	peers := []Peer{
		repeat("conc", func() { conciter.ForEachIdx(in, body.conc) }),
		repeat("counter", func() {
			var next atomic.Int64
			var wg sync.WaitGroup
			for range runtime.GOMAXPROCS(0) {
				wg.Go(func() {
					for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
						f(i)
					}
				})
			}
			wg.Wait()
		}),
		repeat("chunks", func() {
			ps := runtime.GOMAXPROCS(0)
			var wg sync.WaitGroup
			for p := range ps {
				wg.Go(func() {
					for i := p * n / ps; i < (p+1)*n/ps; i++ {
						f(i)
					}
				})
			}
			wg.Wait()
		}),
	}
	if n <= 10_000 { // a goroutine an item, and with lo all of them at once
		peers = append(peers,
			repeat("lo", func() { parallel.ForEach(in, body.lo) }),
			repeat("x-sync", func() {
				var g errgroup.Group
				g.SetLimit(runtime.GOMAXPROCS(0))
				for i := range n {
					g.Go(func() error { f(i); return nil })
				}
				_ = g.Wait()
			}),
		)
	}
	return Workload{
		Name:   name,
		Unit:   n,
		Peers:  append(append(peers, coterieFor(n, body.err)...), limit(n, f)),
		Memory: true,
	}
}

// mapSlice makes a slice of results from a slice of items.
func mapSlice(n int) Workload {
	in := make([]int, n)
	f := func(v int) int { return v*7 + 1 }
	peers := []Peer{
		repeat("conc", func() { runtime.KeepAlive(conciter.Map(in, func(v *int) int { return *v*7 + 1 })) }),
		repeat("chunks", func() {
			ps := runtime.GOMAXPROCS(0)
			out := make([]int, n)
			var wg sync.WaitGroup
			for p := range ps {
				wg.Go(func() {
					for i := p * n / ps; i < (p+1)*n/ps; i++ {
						out[i] = f(in[i])
					}
				})
			}
			wg.Wait()
			runtime.KeepAlive(out)
		}),
		repeat(Limit, func() {
			out := make([]int, n)
			for i, v := range in {
				out[i] = f(v)
			}
			runtime.KeepAlive(out)
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("loop/map-slice/n=%d/body=trivial", n),
		Unit:   n,
		Peers:  append(peers, coterieMapSlice(in)...),
		Memory: true,
	}
}

// mapSeq maps a sequence to a sequence in the same order.
func mapSeq(n int, b Body) Workload {
	f := func(v int) int { b.Do(); return v + 1 }
	peers := []Peer{
		repeat("conc", func() {
			s := stream.New().WithMaxGoroutines(runtime.GOMAXPROCS(0))
			sum := 0
			for v := range count(n) {
				s.Go(func() stream.Callback {
					r := f(v)
					return func() { sum += r }
				})
			}
			s.Wait()
			checkSum(sum, n)
		}),
		rillMap(n, f),
		repeat("channel", func() { mapByChannels(n, f) }),
		repeat("slots", func() { mapBySlots(n, f) }),
	}
	if b.Name == "0" {
		peers = append(peers, repeat(Limit, func() {
			sum := 0
			for v := range count(n) {
				sum += f(v)
			}
			checkSum(sum, n)
		}))
	} else {
		peers = append(peers, bodyLimit(b, n, n)...)
	}
	return Workload{
		Name:   fmt.Sprintf("loop/map/n=%d/body=%s", n, b.Name),
		Unit:   n,
		Peers:  slices.Concat(peers, coterieMap(n, f)),
		Memory: true,
	}
}

// mapByChannels starts a goroutine for each item and queues the channel on which
// its result will arrive.
func mapByChannels(n int, f func(int) int) {
	results := make(chan chan int, runtime.GOMAXPROCS(0))
	go func() {
		defer close(results)
		for v := range count(n) {
			result := make(chan int, 1)
			results <- result
			go func() { result <- f(v) }()
		}
	}()
	sum := 0
	for result := range results {
		sum += <-result
	}
	checkSum(sum, n)
}

// mapBySlots has workers that put results into a ring, from which they are read
// in order: what one writes by hand when it must be fast.
func mapBySlots(n int, f func(int) int) {
	const ring = 256
	var slots [ring]chan int
	for i := range slots {
		slots[i] = make(chan int, 1)
	}
	type job struct{ v, slot int }
	jobs := make(chan job, ring)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for j := range jobs {
				slots[j.slot] <- f(j.v)
			}
		})
	}
	sum, sent := 0, 0
	for v := range count(n) {
		slot := sent % ring
		if sent >= ring {
			sum += <-slots[slot]
		}
		jobs <- job{v, slot}
		sent++
	}
	close(jobs)
	wg.Wait()
	for i := max(0, sent-ring); i < sent; i++ {
		sum += <-slots[i%ring]
	}
	checkSum(sum, n)
}

// count is the sequence 0 to n-1.
func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for v := range n {
			if !yield(v) {
				return
			}
		}
	}
}

// checkSum panics unless sum is that of 1 to n.
func checkSum(sum, n int) {
	if sum != n*(n+1)/2 {
		panic(fmt.Sprintf("benchmarks: results do not add up, got %d for %d items", sum, n))
	}
}
