// The command racy runs one of its scenarios fifty times. A -race build reports a data race each
// time, or, for the scenario "ordered", never.
package main

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/coterie-go/coterie/pool"
)

const rounds = 50

func main() {
	scenario := scenarios[os.Args[1]]
	for range rounds {
		scenario()
	}
}

var scenarios = map[string]func(){
	"sync": func() {
		var wg sync.WaitGroup
		x := new(int)
		for range 2 {
			wg.Go(func() { *x++ })
		}
		wg.Wait()
	},
	"one worker": func() { // one worker orders its tasks
		p := pool.New(1, pool.Options{})
		x := new(int)
		for range 2 {
			p.Go(func() { *x++ })
		}
		p.Close()
	},
	"one worker, by all verbs": func() {
		p := pool.New(1, pool.Options{})
		ctx := context.Background()
		x := new(int)
		add, addWith := func() { *x++ }, func(context.Context) { *x++ }
		b, k := p.Batch(ctx), pool.NewKeyed[int](p, 2)
		for range 2 {
			p.Go(add)
			p.TryGo(add)
			_ = p.GoContext(ctx, addWith)
			b.Go(add)
			b.TryGo(add)
			_ = b.GoContext(ctx, addWith)
			_, _ = pool.Submit(ctx, p, func(context.Context) (int, error) { *x++; return 0, nil })
			_ = k.GoContext(ctx, 1, addWith)
		}
		p.Close()
		*x++
	},
	"one worker, on the place of a task that waits": func() {
		p := pool.New(1, pool.Options{Queue: 1})
		ctx := context.Background()
		x := new(int)
		add := func(context.Context) { *x++ }
		for range 2 {
			_ = p.GoContext(ctx, func(ctx context.Context) {
				b := p.Batch(ctx)
				for range 3 { // most find the queue full
					_ = p.GoContext(ctx, add)
					_ = b.GoContext(ctx, add)
					b.Go(func() { *x++ })
				}
				f, _ := pool.Submit(ctx, p, func(context.Context) (int, error) { *x++; return 0, nil })
				_, _ = f.Get()
				b.Wait()
			})
		}
		p.Close()
		*x++
	},
	"one worker, set later": func() {
		p := pool.New(3, pool.Options{})
		x := new(int)
		p.Go(func() { *x++ })
		p.Wait()
		p.SetWorkers(1)
		for range 5 {
			p.Go(func() { *x++ })
		}
		p.Close()
	},
	"one worker, set while two tasks run": func() {
		p := pool.New(2, pool.Options{})
		x, y := new(int), new(int)
		release := make(chan bool)
		p.Go(func() { <-release; *x++ })
		p.Go(func() { <-release; *y++ })
		for p.Stats().Busy < 2 {
			time.Sleep(10 * time.Microsecond)
		}
		p.SetWorkers(1)
		close(release)
		p.Go(func() { *x++; *y++ })
		p.Close()
	},
	"two workers, set later": func() {
		p := pool.New(1, pool.Options{})
		x := new(int)
		p.SetWorkers(2)
		for range 2 {
			p.Go(func() { *x++ })
		}
		p.Close()
	},
	"Pool.Go on two workers": func() {
		p := pool.New(2, pool.Options{})
		x := new(int)
		for range 2 {
			p.Go(func() { *x++ })
		}
		p.Close()
	},
	"Pool.Go, the second when the first has ended": func() {
		p := pool.New(2, pool.Options{})
		x := new(int)
		p.Go(func() { *x++ })
		for p.Stats().Completed == 0 {
			time.Sleep(10 * time.Microsecond)
		}
		p.Go(func() { *x++ })
		p.Close()
	},
	"Pool.Go through a full queue": func() {
		p := pool.New(2, pool.Options{Queue: 1})
		x, y := new(int), new(int)
		for range 10 {
			p.Go(func() { *y = *x })
		}
		p.Go(func() { *x++ })
		p.Close()
	},
	"Batch.Go": func() {
		p := pool.New(2, pool.Options{})
		b := p.Batch(context.Background())
		x := new(int)
		for range 2 {
			b.Go(func() { *x++ })
		}
		b.Wait()
		p.Close()
	},
	"Batch.Go, run by the waiter": func() {
		p := pool.New(2, pool.Options{})
		top := p.Batch(context.Background())
		_ = top.GoContext(context.Background(), func(ctx context.Context) {
			b := p.Batch(ctx)
			x := new(int)
			for range 2 {
				b.Go(func() { *x++ })
			}
			b.Wait()
		})
		top.Wait()
		p.Close()
	},
	"Submit": func() {
		p := pool.New(2, pool.Options{})
		ctx := context.Background()
		x := new(int)
		add := func(context.Context) (int, error) { *x++; return 0, nil }
		f, _ := pool.Submit(ctx, p, add)
		g, _ := pool.Submit(ctx, p, add)
		_, _ = f.Get()
		_, _ = g.Get()
		p.Close()
	},
	"submitters": func() { // the pool is all that they share
		p := pool.New(2, pool.Options{})
		x := new(int)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				*x++
				p.Go(func() {})
			})
		}
		wg.Wait()
		p.Close()
	},
	"Keyed, two keys": func() {
		p := pool.New(2, pool.Options{})
		k := pool.NewKeyed[int](p, 1)
		x := new(int)
		for key := range 2 {
			_ = k.GoContext(context.Background(), key, func(context.Context) { *x++ })
		}
		k.Wait()
		p.Close()
	},
	"Keyed, two of a key at once": func() {
		p := pool.New(2, pool.Options{})
		k := pool.NewKeyed[int](p, 2)
		x := new(int)
		for range 2 {
			_ = k.GoContext(context.Background(), 1, func(context.Context) { *x++ })
		}
		k.Wait()
		p.Close()
	},
	"Keyed, the second of another key when the first has ended": func() {
		p := pool.New(2, pool.Options{})
		k := pool.NewKeyed[int](p, 1)
		x := new(int)
		_ = k.GoContext(context.Background(), 1, func(context.Context) { *x++ })
		for p.Stats().Completed == 0 {
			time.Sleep(10 * time.Microsecond)
		}
		_ = k.GoContext(context.Background(), 2, func(context.Context) { *x++ })
		k.Wait()
		p.Close()
	},
	"Keyed, WaitKey of another": func() {
		p := pool.New(2, pool.Options{})
		k := pool.NewKeyed[int](p, 1)
		x := new(int)
		_ = k.GoContext(context.Background(), 1, func(context.Context) { *x++ })
		_ = k.GoContext(context.Background(), 2, func(context.Context) {})
		_ = k.WaitKey(context.Background(), 2)
		for p.Stats().Completed < 2 {
			time.Sleep(10 * time.Microsecond)
		}
		*x++
		p.Close()
	},
	"one key, with one worker and then two": func() {
		p := pool.New(1, pool.Options{})
		k := pool.NewKeyed[int](p, 1)
		x := new(int)
		add := func(context.Context) { *x++ }
		_ = k.GoContext(context.Background(), 1, add)
		for p.Stats().Completed == 0 {
			time.Sleep(10 * time.Microsecond)
		}
		p.SetWorkers(2)
		_ = k.GoContext(context.Background(), 1, add)
		p.Close()
	},
	"one key": func() { // perKey 1 orders tasks of a key, also if the key was idle in between
		p := pool.New(2, pool.Options{Queue: 1})
		k := pool.NewKeyed[int](p, 1)
		ctx := context.Background()
		x, y := new(int), new(int)
		add := func(ctx context.Context) { *x++ }
		*x++
		for range 3 {
			_ = k.GoContext(ctx, 1, add)
			_ = k.GoContext(ctx, 1, func(ctx context.Context) {
				*x++
				_ = k.GoContext(ctx, 1, add)
				*x++
			})
			_ = k.GoContext(ctx, 2, func(ctx context.Context) { *y++ })
			for p.Stats().Busy > 0 {
				time.Sleep(10 * time.Microsecond)
			}
		}
		_ = k.Replace(ctx, 1, add)
		_ = k.WaitKey(ctx, 1)
		*x++
		_ = k.GoContext(ctx, 1, add)
		_ = k.WaitKey(ctx, 2)
		f, _ := pool.Submit(ctx, p, func(ctx context.Context) (int, error) { // WaitKey lends the place of this task to them
			*y++
			_ = k.GoContext(ctx, 3, func(ctx context.Context) { *y++ })
			_ = k.GoContext(ctx, 3, func(ctx context.Context) { *y++ })
			_ = k.WaitKey(ctx, 3)
			return *y, nil
		})
		_, _ = f.Get()
		*y++
		k.Wait()
		*x++
		*y++
		p.Close()
		p = pool.New(1, pool.Options{Queue: 1})
		k = pool.NewKeyed[int](p, 1)
		f, _ = pool.Submit(ctx, p, func(ctx context.Context) (int, error) {
			p.TryGo(func() {})
			return 0, k.GoContext(ctx, 1, add) // runs it itself, as there is no room
		})
		_, _ = f.Get()
		_ = k.GoContext(ctx, 1, add)
		p.Close()
	},
	"ordered": func() {
		p := pool.New(2, pool.Options{Queue: 2})
		ctx := context.Background()
		x, y := new(int), new(int)
		for range 3 {
			*x++
			p.Go(func() { *x++ }) // after Go
			p.Wait()
			*x++ // after Wait
			b := p.Batch(ctx)
			b.Go(func() { *x++ })
			_ = b.GoContext(ctx, func(ctx context.Context) {
				*y++
				inner := p.Batch(ctx)
				inner.Go(func() { *y++ })
				inner.Wait()
				*y++
				f, _ := pool.Submit(ctx, p, func(context.Context) (int, error) { *y++; return *y, nil })
				_, _ = f.Get()
				*y++
			})
			b.Wait()
			*y++
			f, _ := pool.Submit(ctx, p, func(context.Context) (int, error) { *x++; return *x, nil })
			_, _ = f.Get()
			*x++
		}
		unawaited, k := p.Batch(ctx), pool.NewKeyed[int](p, 2)
		unawaited.Go(func() { *x++ })
		_ = k.GoContext(ctx, 1, func(context.Context) { *y++ })
		p.Wait() // covers them
		*x++
		*y++
		unawaited.Go(func() { *y++ })
		p.Go(func() { *x++ })
		p.Wait()
		*y++
		_ = pool.NewKeyed[int](p, 2).GoContext(ctx, 1, func(context.Context) { *y++ })
		p.Close()
		*x++
		*y++
	},
}
