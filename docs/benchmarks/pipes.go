package benchmarks

import (
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/destel/rill"
	"github.com/sourcegraph/conc/stream"
)

// Loops over loops. rill's are channels between stages, and so are those written by hand.
func pipeWorkloads() []Workload {
	return []Workload{
		unordered(10_000, body("0")),
		unordered(10_000, body("1us")),
		stages(10_000, body("0")),
		stages(10_000, body("1us")),
		chunk(100_000, 100, 0),
		chunk(100_000, 100, time.Second),
		merge(100_000, 4),
		flatMap(10_000, 10, body("0")),
		flatMap(10_000, 10, body("1us")),
	}
}

// rillMap is a peer of mapSeq.
func rillMap(n int, f func(int) int) Peer {
	return repeat("rill", func() {
		in := rill.FromSeq(count(n), nil)
		addUp(n, rill.OrderedMap(in, runtime.GOMAXPROCS(0), func(v int) (int, error) { return f(v), nil }))
	})
}

// addUp checks results of rill.
func addUp(n int, results <-chan rill.Try[int]) {
	sum := 0
	for r := range results {
		sum += r.Value
	}
	checkSum(sum, n)
}

// unordered maps a sequence to results as they finish.
func unordered(n int, b Body) Workload {
	f := func(v int) int { b.Do(); return v + 1 }
	peers := []Peer{
		repeat("rill", func() {
			in := rill.FromSeq(count(n), nil)
			addUp(n, rill.Map(in, runtime.GOMAXPROCS(0), func(v int) (int, error) { return f(v), nil }))
		}),
		repeat("channel", func() {
			sum := 0
			for v := range byWorkers(toChannel(count(n)), f) {
				sum += v
			}
			checkSum(sum, n)
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("pipe/map-unordered/n=%d/body=%s", n, b.Name),
		Unit:   n,
		Peers:  slices.Concat(peers, coterieMapUnordered(n, f), bodyLimit(b, n, n)),
		Memory: true,
	}
}

// toChannel runs a sequence in a goroutine.
func toChannel[T any](in iter.Seq[T]) <-chan T {
	out := make(chan T)
	go func() {
		defer close(out)
		for v := range in {
			out <- v
		}
	}()
	return out
}

// byWorkers is a stage of a pipeline as one writes it by hand.
func byWorkers[T, R any](in <-chan T, f func(T) R) <-chan R {
	out := make(chan R)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for v := range in {
				out <- f(v)
			}
		})
	}
	go func() { wg.Wait(); close(out) }()
	return out
}

// stages maps twice, in order.
func stages(n int, b Body) Workload {
	first := func(v int) int { b.Do(); return v }
	second := func(v int) int { b.Do(); return v + 1 }
	peers := []Peer{
		repeat("rill", func() {
			ps := runtime.GOMAXPROCS(0)
			in := rill.FromSeq(count(n), nil)
			middle := rill.OrderedMap(in, ps, func(v int) (int, error) { return first(v), nil })
			addUp(n, rill.OrderedMap(middle, ps, func(v int) (int, error) { return second(v), nil }))
		}),
		repeat("conc", func() {
			sum := 0
			s := stream.New().WithMaxGoroutines(runtime.GOMAXPROCS(0))
			t := stream.New().WithMaxGoroutines(runtime.GOMAXPROCS(0))
			for v := range count(n) {
				s.Go(func() stream.Callback {
					r := first(v)
					return func() {
						t.Go(func() stream.Callback {
							r := second(r)
							return func() { sum += r }
						})
					}
				})
			}
			s.Wait()
			t.Wait()
			checkSum(sum, n)
		}),
		repeat("channel", func() { // without the order
			sum := 0
			for v := range byWorkers(byWorkers(toChannel(count(n)), first), second) {
				sum += v
			}
			checkSum(sum, n)
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("pipe/stages/n=%d/body=%s", n, b.Name),
		Unit:   n,
		Peers:  slices.Concat(peers, coterieStages(n, first, second), bodyLimit(b, 2*n, 2*n)),
		Memory: true,
	}
}

// chunk collects items by number, or time if that is not 0.
func chunk(n, size int, wait time.Duration) Workload {
	peers := []Peer{
		repeat("rill", func() {
			timeout := wait
			if timeout == 0 {
				timeout = -1
			}
			sum := 0
			for chunk := range rill.Batch(rill.FromSeq(count(n), nil), size, timeout) {
				for _, v := range chunk.Value {
					sum += v + 1
				}
			}
			checkSum(sum, n)
		}),
		repeat("channel", func() {
			sum := 0
			for chunk := range chunksByHand(toChannel(count(n)), size, wait) {
				for _, v := range chunk {
					sum += v + 1
				}
			}
			checkSum(sum, n)
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("pipe/chunk/n=%d/size=%d/wait=%s", n, size, wait),
		Unit:   n,
		Peers:  append(peers, coterieChunk(n, size, wait)...),
		Memory: true,
	}
}

func chunksByHand(in <-chan int, size int, wait time.Duration) <-chan []int {
	out := make(chan []int)
	go func() {
		defer close(out)
		var chunk []int
		var up <-chan time.Time
		send := func() { out <- chunk; chunk, up = nil, nil }
		for {
			select {
			case v, ok := <-in:
				if !ok {
					if len(chunk) > 0 {
						send()
					}
					return
				}
				if len(chunk) == 0 {
					chunk = make([]int, 0, size)
					if wait > 0 {
						up = time.After(wait)
					}
				}
				if chunk = append(chunk, v); len(chunk) == size {
					send()
				}
			case <-up:
				send()
			}
		}
	}()
	return out
}

// merge makes one sequence of several.
func merge(n, inputs int) Workload {
	seqs := make([]iter.Seq[int], inputs)
	for i := range seqs {
		seqs[i] = func(yield func(int) bool) {
			for v := i; v < n; v += inputs {
				if !yield(v) {
					return
				}
			}
		}
	}
	addUp := func(merged <-chan int) {
		sum := 0
		for v := range merged {
			sum += v + 1
		}
		checkSum(sum, n)
	}
	peers := []Peer{
		repeat("rill", func() {
			var in []<-chan int
			for _, seq := range seqs {
				in = append(in, toChannel(seq))
			}
			addUp(rill.Merge(in...))
		}),
		repeat("channel", func() {
			merged := make(chan int)
			var wg sync.WaitGroup
			for _, seq := range seqs {
				wg.Go(func() {
					for v := range seq {
						merged <- v
					}
				})
			}
			go func() { wg.Wait(); close(merged) }()
			addUp(merged)
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("pipe/merge/n=%d/inputs=%d", n, inputs),
		Unit:   n,
		Peers:  append(peers, coterieMerge(n, seqs)...),
		Memory: true,
	}
}

// flatMap gets several results for each item.
func flatMap(n, each int, b Body) Workload {
	f := func(v int) []int {
		b.Do()
		out := make([]int, each)
		for i := range out {
			out[i] = v*each + i + 1
		}
		return out
	}
	peers := []Peer{
		repeat("rill", func() {
			in := rill.FromSeq(count(n), nil)
			addUp(n*each, rill.FlatMap(in, runtime.GOMAXPROCS(0), func(v int) <-chan rill.Try[int] {
				return rill.FromSlice(f(v), nil)
			}))
		}),
		repeat("channel", func() {
			sum := 0
			for vs := range byWorkers(toChannel(count(n)), f) {
				for _, v := range vs {
					sum += v
				}
			}
			checkSum(sum, n*each)
		}),
	}
	return Workload{
		Name:   fmt.Sprintf("pipe/flat-map/n=%d/each=%d/body=%s", n, each, b.Name),
		Unit:   n * each,
		Peers:  slices.Concat(peers, coterieFlatMap(n, each, f), bodyLimit(b, n, n)),
		Memory: true,
	}
}
