package a

import (
	"context"

	. "github.com/coterie-go/coterie/pool"
)

var ctx context.Context

type row struct{ cells []string }

func use(...any) {}

func exchanged(rows []string, r *row) {
	_ = For(ctx, len(rows), 8, func(_ context.Context, i int) error { // want `workers and n are exchanged: this starts up to len\(rows\) workers and calls the function with the indexes below 8; write pool.For\(ctx, 8, len\(rows\), ...\) .*docs/guide/loops.md`
		use(rows[i])
		return nil
	})
	n := len(r.cells)
	workers := 4
	_ = For(ctx, n, workers, func(_ context.Context, i int) error { // want `workers and n are exchanged: this starts up to len\(r.cells\)`
		r.cells[i] = ""
		return nil
	})
	_ = For(ctx, (len(rows)), 0, func(_ context.Context, i int) error { // want `workers and n are exchanged`
		func() { use(rows[i]) }()
		return nil
	})
}

var all []string

func show(_ context.Context, i int) error { use(all[i]); return nil }

func named() {
	_ = For(ctx, len(all), 2, show) // want `workers and n are exchanged`
}

// What follows is right.

func right(rows, others []string, n int) {
	_ = For(ctx, 8, len(rows), func(_ context.Context, i int) error { use(rows[i]); return nil })
	_ = For(ctx, len(rows), len(rows), func(_ context.Context, i int) error { use(rows[i]); return nil })
	_ = For(ctx, len(rows), n, func(_ context.Context, i int) error { use(i); return nil })
	_ = For(ctx, len(others), len(rows), func(_ context.Context, i int) error { use(rows[i]); return nil })
	_ = For(ctx, n, 8, func(_ context.Context, i int) error { use(rows[i]); return nil })
	_ = For(ctx, 0, 8, func(_ context.Context, i int) error { use(rows[i]); return nil })
	_ = For(ctx, 0, len(all), show)
	m := len(rows)
	m = 8
	_ = For(ctx, m, n, func(_ context.Context, i int) error { use(rows[i]); return nil })
	len := func([]string) int { return 8 }
	_ = For(ctx, len(rows), n, func(_ context.Context, i int) error { use(rows[i]); return nil })
}

func changed(rows []string) {
	n := len(rows)
	rows = append(rows, "more")
	_ = For(ctx, 8, n, func(_ context.Context, i int) error { use(rows[i]); return nil })
}
