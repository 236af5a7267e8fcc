// Racyloops runs loops whose items race, and loops whose items do not. A -race build must report
// the former only. Its argument is the case.
package main

import (
	"context"
	"os"

	"github.com/coterie-go/coterie/pool"
)

var (
	shared int
	ctx    = context.Background()
)

func item(_ context.Context, _ int) error {
	shared++
	return nil
}

func result(_ context.Context, v int) (int, error) {
	shared++
	return v, nil
}

func seq(yield func(int) bool) {
	for i := range 3 {
		if !yield(i) {
			return
		}
	}
}

// sharing is an input that races with all code that uses shared.
func sharing(yield func(int) bool) {
	for i := range 200 { // more than are buffered, so that the body runs before the input has ended
		shared++
		if !yield(i) {
			return
		}
	}
}

// handing passes a variable with each item.
func handing(yield func(*int) bool) {
	for range 200 {
		v := new(int)
		*v = 1
		if !yield(v) {
			return
		}
	}
}

func drain[T any](results func(yield func(T, error) bool)) {
	for range results {
	}
}

// inPool calls f within a task of a pool.
func inPool(workers int, f func(ctx context.Context)) {
	p := pool.New(workers, pool.Options{})
	b := p.Batch(ctx)
	b.GoContext(ctx, f)
	b.Wait()
	p.Close()
}

var racy = map[string]func(){
	"For":                 func() { pool.For(ctx, 8, 2, item) },
	"For with one worker": func() { pool.For(ctx, 1, 2, item) },
	"For within For": func() {
		pool.For(ctx, 2, 1, func(ctx context.Context, _ int) error { return pool.For(ctx, 2, 2, item) })
	},
	"MapSlice":             func() { pool.MapSlice(ctx, 8, []int{1, 2}, result) },
	"Each":                 func() { pool.Each(ctx, 8, seq, item) },
	"Map":                  func() { drain(pool.Map(ctx, 8, seq, result)) },
	"Map with one worker":  func() { drain(pool.Map(ctx, 1, seq, result)) },
	"MapUnordered":         func() { drain(pool.MapUnordered(ctx, 8, seq, result)) },
	"For in a pool of one": func() { inPool(1, func(ctx context.Context) { pool.For(ctx, 8, 2, item) }) },
	"Map in a pool":        func() { inPool(2, func(ctx context.Context) { drain(pool.Map(ctx, 8, seq, result)) }) },
	"the body of Map's loop, and an item": func() {
		for range pool.Map(ctx, 2, seq, result) {
			shared++
		}
	},
	"two inputs of Merge": func() {
		for range pool.Merge(ctx, sharing, sharing) {
		}
	},
	"the body of Merge's loop, and an input": func() {
		for range pool.Merge(ctx, sharing) {
			shared++
		}
	},
	"the body of Chunk's loop, and the input": func() {
		for range pool.Chunk(ctx, sharing, 1, 0) {
			shared++
		}
	},
	"items that use their context": func() {
		pool.For(ctx, 8, 2, func(ctx context.Context, _ int) error {
			ctx.Done()
			ctx.Value(0)
			shared++
			return ctx.Err()
		})
	},
}

var ordered = map[string]func(){
	"an input, and the body of Merge's loop": func() {
		for v := range pool.Merge(ctx, handing, handing) {
			*v++
		}
		for v := range pool.Merge(ctx, handing, handing) {
			*v++
			break
		}
	},
	"an input, and the body of Chunk's loop": func() {
		for chunk := range pool.Chunk(ctx, handing, 3, 0) {
			for i, v := range chunk {
				*v++
				chunk[i] = nil
			}
		}
	},
	"an input, and after the loop": func() {
		for range pool.Merge(ctx, sharing) {
			break
		}
		shared++
		for range pool.Chunk(ctx, sharing, 3, 0) {
			break
		}
		shared++
	},
	"before For, in it, and after it": func() {
		shared++
		pool.For(ctx, 8, 1, item)
		shared++
	},
	"MapSlice's results": func() {
		out, _ := pool.MapSlice(ctx, 8, []int{1, 2, 3}, func(_ context.Context, v int) (*int, error) { return &v, nil })
		for _, p := range out {
			*p++
		}
	},
	"the input, an item, and the body of Map's loop": func() {
		for p := range pool.Map(ctx, 8, func(yield func(*int) bool) {
			for i := range 1000 {
				if !yield(&i) {
					return
				}
			}
		}, func(_ context.Context, p *int) (*int, error) {
			*p++
			return p, nil
		}) {
			*p++
		}
	},
	"the input, an item, and the body of MapUnordered's loop": func() {
		for p := range pool.MapUnordered(ctx, 8, func(yield func(*int) bool) {
			for i := range 1000 {
				if !yield(&i) {
					return
				}
			}
		}, func(_ context.Context, p *int) (*int, error) {
			*p++
			return p, nil
		}) {
			*p++
		}
	},
	"the input, an item, and the body, in a pool": func() {
		inPool(2, func(ctx context.Context) {
			for p := range pool.Map(ctx, 8, func(yield func(*int) bool) {
				for i := range 1000 {
					if !yield(&i) {
						return
					}
				}
			}, func(_ context.Context, p *int) (*int, error) {
				*p++
				return p, nil
			}) {
				*p++
			}
		})
	},
	"the input, from one item to the next": func() {
		n := 0
		drain(pool.Map(ctx, 8, func(yield func(int) bool) {
			for n < 1000 && yield(n) {
				n++
			}
			n++
		}, func(_ context.Context, v int) (int, error) { return v, nil }))
		n++
	},
	"an item that was cancelled, and after the loop": func() {
		n := 0
		for range pool.Map(ctx, 2, seq, func(ctx context.Context, v int) (int, error) {
			if v == 1 {
				<-ctx.Done()
				n++
			}
			return v, nil
		}) {
			break
		}
		n++
	},
}

func main() {
	if f := racy[os.Args[1]]; f != nil {
		f()
		return
	}
	ordered[os.Args[1]]()
}
