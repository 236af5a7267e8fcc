package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool"
)

// A folder has a size, and folders within it.
type folder struct {
	size    int
	folders []folder
}

var tree = folder{1, []folder{{2, []folder{{4, nil}, {8, []folder{{16, nil}}}}}, {32, nil}, {64, []folder{{128, nil}}}}}

const treeSize = 255

// sizes are ways in which a task of a pool adds up a folder: with tasks for the folders within.
var sizes = map[string]func(ctx context.Context, p *pool.Pool, f folder) (int, error){
	"Batch.GoContext": func(ctx context.Context, p *pool.Pool, f folder) (int, error) {
		return sizeByBatch(ctx, p, f, func(b *pool.Batch, task func(ctx context.Context)) error { return b.GoContext(ctx, task) })
	},
	"Batch.Go": func(ctx context.Context, p *pool.Pool, f folder) (int, error) {
		return sizeByBatch(ctx, p, f, func(b *pool.Batch, task func(ctx context.Context)) error {
			b.Go(func() { task(ctx) })
			return nil
		})
	},
	"Batch.TryGo": func(ctx context.Context, p *pool.Pool, f folder) (int, error) {
		return sizeByBatch(ctx, p, f, func(b *pool.Batch, task func(ctx context.Context)) error {
			if !b.TryGo(func() { task(ctx) }) {
				return errors.New("refused")
			}
			return nil
		})
	},
	"Submit": func(ctx context.Context, p *pool.Pool, f folder) (int, error) {
		sum := f.size
		for _, sub := range f.folders {
			future, err := pool.Submit(ctx, p, func(ctx context.Context) (int, error) { return sizeBySubmit(ctx, p, sub) })
			if err != nil {
				return 0, err
			}
			n, err := future.Get()
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	},
	"For": func(ctx context.Context, _ *pool.Pool, f folder) (int, error) { return sizeByFor(ctx, f) },
}

func sizeByBatch(ctx context.Context, p *pool.Pool, f folder, start func(b *pool.Batch, task func(ctx context.Context)) error) (int, error) {
	var sum atomic.Int64
	b := p.Batch(ctx)
	for _, sub := range f.folders {
		if err := start(b, func(ctx context.Context) {
			n, err := sizeByBatch(ctx, p, sub, start)
			if err != nil {
				panic(err)
			}
			sum.Add(int64(n))
		}); err != nil {
			b.Wait()
			return 0, err
		}
	}
	b.Wait()
	return f.size + int(sum.Load()), b.Err()
}

func sizeBySubmit(ctx context.Context, p *pool.Pool, f folder) (int, error) {
	sum := f.size
	for _, sub := range f.folders {
		future, err := pool.Submit(ctx, p, func(ctx context.Context) (int, error) { return sizeBySubmit(ctx, p, sub) })
		if err != nil {
			return 0, err
		}
		n, err := future.GetContext(ctx)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func sizeByFor(ctx context.Context, f folder) (int, error) {
	var sum atomic.Int64
	err := pool.For(ctx, 4, len(f.folders), func(ctx context.Context, i int) error {
		n, err := sizeByFor(ctx, f.folders[i])
		sum.Add(int64(n))
		return err
	})
	return f.size + int(sum.Load()), err
}

// Tasks that were accepted may split themselves up while Close, or a Shutdown with time enough,
// waits for them.
func TestCloseLetsTasksSplit(t *testing.T) {
	closes := map[string]func(p *pool.Pool) error{
		"Close":    func(p *pool.Pool) error { p.Close(); return nil },
		"Shutdown": func(p *pool.Pool) error { return p.Shutdown(context.Background()) },
	}
	for name, size := range sizes {
		for how, end := range closes {
			for _, workers := range []int{1, 2, 8} {
				for _, queue := range []int{1, 1024} {
					if name == "Batch.TryGo" && queue == 1 {
						continue // there is no room for all
					}
					t.Run(fmt.Sprintf("%s, %s, on %d workers with a queue of %d", name, how, workers, queue), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							p := pool.New(workers, pool.Options{Queue: queue})
							f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (int, error) {
								time.Sleep(time.Second)
								return size(ctx, p, tree)
							})
							require.NoError(t, err)
							got := 0
							require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
								time.Sleep(time.Second)
								n, err := size(ctx, p, tree)
								assert.NoError(t, err)
								got = n
							}))
							require.NoError(t, end(p))
							n, err := f.Get()
							require.NoError(t, err)
							require.Equal(t, treeSize, n)
							require.Equal(t, treeSize, got)
							require.Equal(t, pool.ErrClosed, p.GoContext(t.Context(), func(context.Context) {}))
							require.False(t, p.TryGo(func() {}))
						})
					})
				}
			}
		}
	}

	t.Run("and a goroutine without their contexts may block for room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{Queue: 1})
			ran := 0
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				time.Sleep(time.Second)
				b := p.Batch(ctx)
				var started atomic.Int32
				go func() {
					for range 3 {
						assert.NoError(t, b.GoContext(context.Background(), func(context.Context) { ran++ }))
						started.Add(1)
					}
				}()
				time.Sleep(time.Second)
				synctest.Wait()
				assert.EqualValues(t, 1, started.Load())
				b.Wait()
				synctest.Wait()
				assert.EqualValues(t, 3, started.Load())
				b.Wait()
			}))
			p.Close()
			require.Equal(t, 3, ran)
		})
	})

	t.Run("until a Shutdown gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			release := make(chan struct{})
			var errs []error
			var tried bool
			require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
				<-release
				b := p.Batch(ctx)
				errs = append(errs, b.GoContext(ctx, func(context.Context) {}), p.GoContext(ctx, func(context.Context) {}))
				_, err := pool.Submit(ctx, p, func(context.Context) (int, error) { return 0, nil })
				errs = append(errs, err)
				tried = b.TryGo(func() {})
			}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.Error(t, p.Shutdown(ctx))
			close(release)
			p.Close()
			require.Equal(t, []error{pool.ErrClosed, pool.ErrClosed, pool.ErrClosed}, errs)
			require.False(t, tried)
		})
	})
}

// Numbers that mean "no limit" cost what is used.
func TestNumbersThatMeanNoLimit(t *testing.T) {
	for _, n := range []int{math.MaxInt32 - 1, math.MaxInt32, math.MaxInt - 1, math.MaxInt} {
		for name, p := range map[string]*pool.Pool{
			"a queue":             pool.New(2, pool.Options{Queue: n}),
			"workers":             pool.New(n, pool.Options{}),
			"workers and a queue": pool.New(n, pool.Options{Queue: n}),
		} {
			t.Run(fmt.Sprintf("%s of %d", name, n), func(t *testing.T) {
				before := heap()
				p.SetWorkers(n)
				var ran atomic.Int32
				b := p.Batch(t.Context())
				for range 100 {
					p.Go(func() { ran.Add(1) })
					require.True(t, b.TryGo(func() { ran.Add(1) }))
					require.NoError(t, b.GoContext(t.Context(), func(context.Context) { ran.Add(1) }))
				}
				b.Wait()
				p.Wait()
				require.EqualValues(t, 300, ran.Load())
				require.Less(t, heap()-before, int64(1<<20))
				require.EqualValues(t, 300, closeEmpty(t, p).Completed)
			})
		}
	}

	t.Run("all tasks of a pool with so many workers run at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(math.MaxInt, pool.Options{Queue: math.MaxInt})
			start := time.Now()
			for range 1000 {
				p.Go(func() { time.Sleep(time.Second) })
			}
			p.Wait()
			require.Equal(t, time.Second, time.Since(start))
			p.Close()
		})
	})
}
