package benchmarks

import (
	"context"
	"iter"
	"runtime"
	"time"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// How coterie does the workloads: its side of each, apart from those of core.

func coterieFanOut(tasks int, f func()) []Peer {
	fan := func(g *group.Group) {
		for range tasks {
			g.Go(f)
		}
		g.Wait()
	}
	return []Peer{
		repeat("coterie", func() { fan(new(group.Group)) }),
		{"coterie-reused", func(int) Op {
			var g group.Group
			return Op{Run: func(n int) {
				for range n {
					fan(&g)
				}
			}}
		}},
	}
}

func coterieNamed(tasks int) []Peer {
	peer := func(name string, opts group.Options, start func(g *group.Group), observer *group.Observer) Peer {
		return Peer{name, func(int) Op {
			g := group.New(opts)
			stop := func() {}
			if observer != nil {
				stop = group.Observe(observer)
			}
			return Op{
				Run: func(n int) {
					for range n {
						for range tasks {
							start(g)
						}
						g.Wait()
					}
				},
				Stop: stop,
			}
		}}
	}
	f := func() {}
	plain := func(g *group.Group) { g.Go(f) }
	named := func(g *group.Group) { g.GoNamed("task", f) }
	owner := group.Options{Name: "owner"}
	return []Peer{
		peer("coterie", group.Options{}, plain, nil),
		peer("coterie-owner", owner, plain, nil),
		peer("coterie-task", owner, named, nil),
		peer("coterie-observed", owner, named, &group.Observer{Ended: func(group.Event) {}}),
	}
}

func coterieBurst(burst func(start func(f func()), wait func())) []Peer {
	return []Peer{
		repeat("coterie", func() {
			var g group.Group
			burst(g.Go, g.Wait)
		}),
	}
}

func coterieErrFanOut(tasks int, task func() error) []Peer {
	return []Peer{
		repeat("coterie", func() {
			var g errgroup.Group
			for range tasks {
				g.Go(task)
			}
			_ = g.Wait()
		}),
	}
}

func coterieErrOne(task func() error) []Peer {
	ctx := context.Background()
	return []Peer{
		repeat("coterie", func() {
			g, _ := errgroup.WithContext(ctx)
			g.Go(task)
			_ = g.Wait()
		}),
	}
}

func coterieErrLimit(tasks int, task func() error) []Peer {
	return []Peer{
		repeat("coterie", func() {
			var g errgroup.Group
			g.SetLimit(runtime.GOMAXPROCS(0))
			for range tasks {
				g.Go(task)
			}
			_ = g.Wait()
		}),
	}
}

func collect(tasks int, task func() error) error {
	g, _ := errgroup.New(context.Background(), errgroup.Options{Collect: true})
	for range tasks {
		g.Go(task)
	}
	return g.Wait()
}

func coterieErrCollect(tasks int, task func() error) []Peer {
	return []Peer{repeat("coterie", func() { _ = collect(tasks, task) })}
}

func coterieErrPrint(tasks int, task func() error, printer func(string, func() error) Peer) []Peer {
	return []Peer{printer("coterie", func() error { return collect(tasks, task) })}
}

func coteriePools() []maker {
	return []maker{
		{"coterie", func(workers int) aPool {
			p := pool.New(workers, pool.Options{Queue: queue})
			return aPool{p.Go, p.Wait, p.Close}
		}},
	}
}

func coterieBatch(tasks int) []Peer {
	ctx := context.Background()
	return []Peer{
		{"coterie", func(ps int) Op {
			p := pool.New(ps, pool.Options{Queue: queue})
			return Op{
				Run: func(n int) {
					for range n {
						b := p.Batch(ctx)
						for range tasks {
							b.Go(func() {})
						}
						b.Wait()
					}
				},
				Stop: p.Close,
			}
		}},
		{"coterie-go", func(ps int) Op {
			p := pool.New(ps, pool.Options{Queue: queue})
			return Op{
				Run: func(n int) {
					for range n {
						for range tasks {
							p.Go(func() {})
						}
						p.Wait()
					}
				},
				Stop: p.Close,
			}
		}},
	}
}

func coterieSubmit(tasks int) []Peer {
	ctx := context.Background()
	return []Peer{
		{"coterie", func(ps int) Op {
			p := pool.New(ps, pool.Options{Queue: queue})
			results := make([]*core.Future[int], tasks)
			return Op{
				Run: func(n int) {
					for range n {
						for i := range results {
							results[i], _ = pool.Submit(ctx, p, func(context.Context) (int, error) { return 1, nil })
						}
						for _, r := range results {
							_, _ = r.Get()
						}
					}
				},
				Stop: p.Close,
			}
		}},
	}
}

func coterieFor(n int, f func(ctx context.Context, i int) error) []Peer {
	ctx := context.Background()
	return []Peer{repeat("coterie", func() { _ = pool.For(ctx, 0, n, f) })}
}

func coterieMapSlice(in []int) []Peer {
	ctx := context.Background()
	return []Peer{
		repeat("coterie", func() {
			out, _ := pool.MapSlice(ctx, 0, in, func(_ context.Context, v int) (int, error) { return v*7 + 1, nil })
			runtime.KeepAlive(out)
		}),
	}
}

func coterieMap(n int, f func(int) int) []Peer {
	ctx := context.Background()
	return []Peer{
		repeat("coterie", func() {
			sum := 0
			for r := range pool.Map(ctx, 0, count(n), func(_ context.Context, v int) (int, error) { return f(v), nil }) { //coterie:waiterr the sum is checked
				sum += r
			}
			checkSum(sum, n)
		}),
	}
}

func coterieMapUnordered(n int, f func(int) int) []Peer {
	ctx := context.Background()
	return []Peer{
		repeat("coterie", func() {
			sum := 0
			for r := range pool.MapUnordered(ctx, 0, count(n), func(_ context.Context, v int) (int, error) { return f(v), nil }) { //coterie:waiterr no call fails
				sum += r
			}
			checkSum(sum, n)
		}),
	}
}

func coterieStages(n int, first, second func(int) int) []Peer {
	ctx := context.Background()
	return []Peer{
		repeat("coterie", func() {
			sum := 0
			middle := pool.Map(ctx, 0, count(n), func(_ context.Context, v int) (int, error) { return first(v), nil })
			for r := range pool.Then(ctx, 0, middle, func(_ context.Context, v int) (int, error) { return second(v), nil }) { //coterie:waiterr no call fails
				sum += r
			}
			checkSum(sum, n)
		}),
	}
}

func coterieChunk(n, size int, wait time.Duration) []Peer {
	ctx := context.Background()
	return []Peer{
		repeat("coterie", func() {
			sum := 0
			for chunk := range pool.Chunk(ctx, count(n), size, wait) {
				for _, v := range chunk {
					sum += v + 1
				}
			}
			checkSum(sum, n)
		}),
	}
}

func coterieMerge(n int, seqs []iter.Seq[int]) []Peer {
	ctx := context.Background()
	return []Peer{
		repeat("coterie", func() {
			sum := 0
			for v := range pool.Merge(ctx, seqs...) {
				sum += v + 1
			}
			checkSum(sum, n)
		}),
	}
}

// coterieFlatMap maps to slices: a FlatMap of its own would not be shorter.
func coterieFlatMap(n, each int, f func(int) []int) []Peer {
	ctx := context.Background()
	return []Peer{
		repeat("coterie", func() {
			sum := 0
			for vs := range pool.MapUnordered(ctx, 0, count(n), func(_ context.Context, v int) ([]int, error) { return f(v), nil }) { //coterie:waiterr no call fails
				for _, v := range vs {
					sum += v
				}
			}
			checkSum(sum, n*each)
		}),
	}
}
