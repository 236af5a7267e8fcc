package benchmarks

import (
	"context"

	"github.com/coterie-go/coterie/group"
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

func coterieBurst(burst func(start func(f func()), wait func())) []Peer {
	return []Peer{
		repeat("coterie", func() {
			var g group.Group
			burst(g.Go, g.Wait)
		}),
	}
}

func coterieErrFanOut(tasks int, task func() error) []Peer { return nil }

func coterieErrOne(task func() error) []Peer { return nil }

func coterieErrLimit(tasks int, task func() error) []Peer { return nil }

func coterieErrCollect(tasks int, task func() error) []Peer { return nil }

func coterieErrPrint(tasks int, task func() error, printer func(string, func() error) Peer) []Peer {
	return nil
}

func coteriePools() []maker { return nil }

func coterieBatch(tasks int) []Peer { return nil }

func coterieSubmit(tasks int) []Peer { return nil }

func coterieFor(n int, f func(ctx context.Context, i int) error) []Peer { return nil }

func coterieMapSlice(in []int) []Peer { return nil }

func coterieMap(n int, f func(int) int) []Peer { return nil }
