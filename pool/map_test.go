package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/core/race"
	"github.com/coterie-go/coterie/pool"
)

// An input is a sequence of 0, 1, ... that records how it is used.
type input struct {
	n       int           // how many there are; negative: no end
	wait    time.Duration // before each
	pulled  atomic.Int64
	pulling atomic.Int64
	stopped atomic.Int64 // how often it has ended, with its deferred calls
	overlap atomic.Bool  // two goroutines were in it at once
}

func (in *input) seq(yield func(int) bool) {
	defer in.stopped.Add(1)
	for i := 0; i != in.n; i++ {
		if in.pulling.Add(1) != 1 {
			in.overlap.Store(true)
		}
		time.Sleep(in.wait)
		in.pulling.Add(-1)
		in.pulled.Add(1)
		if !yield(i) {
			return
		}
	}
}

// mapper is Map or MapUnordered.
type mapper func(ctx context.Context, workers int, seq iter.Seq[int], f func(context.Context, int) (int, error)) iter.Seq2[int, error]

// matrix runs a test in each setting, for both kinds of Map and several numbers of
// workers.
func matrix(t *testing.T, test func(t *testing.T, here place, m mapper, ordered bool, workers int)) {
	for name, m := range map[string]mapper{"ordered": pool.Map[int, int], "unordered": pool.MapUnordered[int, int]} {
		for _, workers := range []int{1, 2, 8} {
			t.Run(fmt.Sprintf("%s with %d workers", name, workers), func(t *testing.T) {
				everywhere(t, func(t *testing.T, here place) { test(t, here, m, name == "ordered", workers) })
			})
		}
	}
}

func square(_ context.Context, i int) (int, error) { return i * i, nil }

func sleeper(d time.Duration) func(context.Context, int) (int, error) {
	return func(_ context.Context, i int) (int, error) {
		time.Sleep(d)
		return i * i, nil
	}
}

func TestMap(t *testing.T) {
	t.Run("yields each result once", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, ordered bool, workers int) {
			for _, n := range []int{0, 1, 2, 7, 100, child.Many(1000, 5000)} {
				in := &input{n: n}
				var got, want []int
				for r, err := range m(here.ctx, workers, in.seq, square) {
					require.NoError(t, err)
					got = append(got, r)
				}
				for i := range n {
					want = append(want, i*i)
				}
				if !ordered {
					slices.Sort(got)
				}
				require.Equal(t, want, got)
				require.EqualValues(t, 1, in.stopped.Load())
				require.False(t, in.overlap.Load())
			}
		})
	})

	t.Run("each range runs the input anew", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			in := &input{n: 3}
			results := pool.Map(here.ctx, 2, in.seq, square)
			for range 3 {
				var got []int
				for r := range results { //coterie:waiterr no call fails, and ctx does not end
					got = append(got, r)
				}
				require.Equal(t, []int{0, 1, 4}, got)
			}
			require.EqualValues(t, 3, in.stopped.Load())
		})
	})

	t.Run("every worker is busy from the first item", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			for _, d := range []time.Duration{time.Nanosecond, time.Microsecond, 100 * time.Millisecond} {
				for _, rounds := range []int{1, 10} {
					start := time.Now()
					in := &input{n: rounds * here.workers(workers)}
					k := 0
					for _, err := range m(here.ctx, workers, in.seq, sleeper(d)) {
						require.NoError(t, err)
						require.Equal(t, time.Duration(k/here.workers(workers)+1)*d, time.Since(start))
						k++
					}
					require.Equal(t, time.Duration(rounds)*d, time.Since(start))
				}
			}
		})
	})

	t.Run("items that turn slow share all workers again", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			start := time.Now()
			in := &input{n: 1000 + 10*here.workers(8)}
			for range pool.Map(here.ctx, 8, in.seq, func(_ context.Context, i int) (int, error) { //coterie:waiterr no call fails, and ctx does not end
				if i >= 1000 {
					time.Sleep(100 * time.Millisecond)
				}
				return i, nil
			}) {
			}
			require.Equal(t, time.Second, time.Since(start))
		})
	})

	t.Run("a result is yielded when it and those before it are there", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			here.needs(t, 8)
			// Item i takes as many ms as delays has for it.
			delays := []int{50, 10, 60, 20, 20, 90, 5, 5}
			for _, ordered := range []bool{true, false} {
				m := pool.MapUnordered[int, int]
				want := []int{5, 5, 10, 20, 20, 50, 60, 90}
				if ordered {
					m, want = pool.Map[int, int], []int{50, 50, 60, 60, 60, 90, 90, 90}
				}
				start := time.Now()
				var got []int
				for range m(here.ctx, 8, (&input{n: 8}).seq, func(_ context.Context, i int) (int, error) {
					time.Sleep(time.Duration(delays[i]) * time.Millisecond)
					return i, nil
				}) {
					got = append(got, int(time.Since(start).Milliseconds()))
				}
				require.Equal(t, want, got)
			}
		})
	})

	t.Run("a result does not wait for the next item of a slow input", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			start := time.Now()
			k := 0
			for range m(here.ctx, workers, (&input{n: 5, wait: time.Second}).seq, sleeper(100*time.Millisecond)) {
				k++
				require.Equal(t, time.Duration(k)*time.Second+100*time.Millisecond, time.Since(start))
			}
			require.Equal(t, 5, k)
		})
	})

	t.Run("a bounded number of items is in flight", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			in := &input{n: -1}
			yielded := int64(0)
			for range m(here.ctx, workers, in.seq, square) {
				time.Sleep(time.Second)
				require.Equal(t, yielded+4*int64(workers), in.pulled.Load())
				if yielded++; yielded == 50 {
					break
				}
			}
		})
	})

	t.Run("a bounded number of quick items is in flight", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			in := &input{n: -1}
			yielded := int64(0)
			for range pool.Map(here.ctx, 2, in.seq, square) { //coterie:waiterr no call fails, and ctx does not end
				for range yielded % 5000 / 4999 * 10_000 {
					runtime.Gosched() // in vain if the input goes on
				}
				require.LessOrEqual(t, in.pulled.Load(), yielded+1024*2)
				if yielded++; yielded == 20000 {
					break
				}
			}
		})
	})

	t.Run("an item may wait for the results of those before it", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			// Also when blocks have grown: results are not held back.
			seen := make([]chan struct{}, 3000)
			for i := range seen {
				seen[i] = make(chan struct{})
			}
			for i := range pool.Map(here.ctx, 2, (&input{n: len(seen)}).seq, func(_ context.Context, i int) (int, error) { //coterie:waiterr no call fails, and ctx does not end
				if i%1000 == 999 {
					<-seen[i-1]
				}
				return i, nil
			}) {
				close(seen[i])
			}
		})
	})

	t.Run("the input may wait for the results", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			// Also when blocks have grown: items are not held back.
			results := make(chan int, 1)
			n := 0
			for i := range pool.Map(here.ctx, 2, func(yield func(int) bool) { //coterie:waiterr no call fails, and ctx does not end
				for i := range 5000 {
					if i%1000 == 999 {
						for <-results != i-1 {
						}
					}
					if !yield(i) {
						return
					}
				}
			}, func(_ context.Context, i int) (int, error) { return i, nil }) {
				n++
				if i%1000 == 998 {
					results <- i
				}
			}
			require.Equal(t, 5000, n)
		})
	})

	t.Run("allocates nothing for an item", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			if race.Hidden {
				t.Skip("an item has a goroutine of its own in this build")
			}
			allocs := func(n int) float64 {
				return testing.AllocsPerRun(5, func() {
					for range pool.Map(here.ctx, 2, (&input{n: n}).seq, square) { //coterie:waiterr no call fails, and ctx does not end
					}
				})
			}
			most := 50.
			if here.places != math.MaxInt {
				most = 1000 // helpers leave and are started again
			}
			require.Less(t, allocs(20000)-allocs(10000), most)
		})
	})
}

// A task may return a sequence. A range loop over it uses the pool only while the task runs.
func TestMapOutlivesItsTask(t *testing.T) {
	for name, m := range map[string]mapper{"Map": pool.Map[int, int], "MapUnordered": pool.MapUnordered[int, int]} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2, pool.Options{})
				f, err := pool.Submit(t.Context(), p, func(ctx context.Context) (iter.Seq2[int, error], error) {
					return m(ctx, 4, (&input{n: 8}).seq, func(_ context.Context, i int) (int, error) {
						time.Sleep(time.Second)
						return i, nil
					}), nil
				})
				require.NoError(t, err)
				seq, err := f.Get()
				require.NoError(t, err)
				for range 2 {
					start := time.Now()
					for _, err := range seq {
						require.NoError(t, err)
						require.Zero(t, p.Stats().Busy)
					}
					require.Equal(t, 2*time.Second, time.Since(start))
					closeEmpty(t, p)
				}
			})
		})
	}
}

// Leaving the loop in any way, at any item.
func TestMapLeave(t *testing.T) {
	type loop = iter.Seq2[int, error]
	ways := map[string]func(results loop, at func() bool){
		"break": func(results loop, at func() bool) {
			for range results {
				if at() {
					break
				}
			}
		},
		"return": func(results loop, at func() bool) {
			for range results {
				if at() {
					return
				}
			}
		},
		"a labelled continue": func(results loop, at func() bool) {
		outer:
			for range 1 {
				for range results {
					if at() {
						continue outer
					}
				}
			}
		},
		"panic": func(results loop, at func() bool) {
			defer func() {
				if v := recover(); v != "mine" {
					panic(fmt.Sprintf("recovered %v", v))
				}
			}()
			for range results {
				if at() {
					panic("mine")
				}
			}
		},
		"goexit": func(results loop, at func() bool) {
			returned := false
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range results {
					if at() {
						runtime.Goexit()
					}
				}
				returned = true
			}()
			<-done
			if returned {
				panic("went on")
			}
		},
	}
	for name, leave := range ways {
		t.Run("by "+name, func(t *testing.T) {
			matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
				for last := range child.Many(8, 20) {
					in := &input{n: -1}
					var running atomic.Int64
					var itemCtx atomic.Pointer[context.Context]
					k := 0
					leave(m(here.ctx, workers, in.seq, func(ctx context.Context, i int) (int, error) {
						running.Add(1)
						defer running.Add(-1)
						itemCtx.Store(&ctx)
						select {
						case <-ctx.Done():
						case <-time.After(time.Duration(i%5) * time.Millisecond):
						}
						return i, nil
					}), func() bool {
						k++
						return k > last
					})
					require.Zero(t, running.Load())
					require.EqualValues(t, 1, in.stopped.Load())
					pulled := in.pulled.Load()
					require.Error(t, (*itemCtx.Load()).Err())
					synctest.Wait()
					require.Equal(t, pulled, in.pulled.Load())
				}
			})
		})
	}

	t.Run("cancels the items that run", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			start := time.Now()
			for range m(here.ctx, workers, (&input{n: -1}).seq, func(ctx context.Context, i int) (int, error) {
				if i > 0 {
					<-ctx.Done()
				}
				return i, ctx.Err()
			}) {
				break
			}
			require.Zero(t, time.Since(start))
		})
	})
}

func TestMapError(t *testing.T) {
	broken := errors.New("broken")

	t.Run("of an item comes after the results before it, and ends the sequence", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, ordered bool, workers int) {
			for bad := range 20 {
				in := &input{n: -1}
				var running atomic.Int64
				var got []int
				var errs []error
				for r, err := range m(here.ctx, workers, in.seq, func(ctx context.Context, i int) (int, error) {
					running.Add(1)
					defer running.Add(-1)
					time.Sleep(time.Duration((i*7)%10) * time.Millisecond)
					if i == bad {
						return -1, broken
					}
					return i, nil
				}) {
					if err != nil {
						require.Zero(t, running.Load())
						require.EqualValues(t, 1, in.stopped.Load())
						require.Equal(t, -1, r)
						errs = append(errs, err)
						continue
					}
					require.Empty(t, errs)
					got = append(got, r)
				}
				require.Equal(t, []error{broken}, errs)
				if ordered {
					require.Len(t, got, bad)
					for i, r := range got {
						require.Equal(t, i, r)
					}
				}
			}
		})
	})

	t.Run("lets the items before it finish, and then cancels those after it", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			here.needs(t, 8)
			start := time.Now()
			var got []string
			for r, err := range pool.Map(here.ctx, 8, (&input{n: -1}).seq, func(ctx context.Context, i int) (int, error) {
				switch {
				case i == 3:
					time.Sleep(time.Second / 2)
					return i, broken
				case i < 3:
					time.Sleep(time.Duration(i+1) * time.Second)
					return i, ctx.Err()
				default:
					<-ctx.Done()
					if time.Since(start) != 3*time.Second {
						panic("cancelled too early, or too late")
					}
					return i, ctx.Err()
				}
			}) {
				got = append(got, fmt.Sprint(r, err, time.Since(start)))
				if r == 0 {
					time.Sleep(time.Hour) // what is cancelled does not wait for this
				}
			}
			require.Equal(t, []string{"0 <nil> 1s", "1 <nil> 1h0m1s", "2 <nil> 1h0m1s", "3 broken 1h0m1s"}, got)
		})
	})

	t.Run("of an item stops the input at once", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			here.needs(t, 2)
			in := &input{n: -1, wait: 10 * time.Millisecond}
			for _, err := range pool.Map(here.ctx, 8, in.seq, func(_ context.Context, i int) (int, error) {
				if i == 1 {
					return i, broken
				}
				time.Sleep(time.Second)
				return i, nil
			}) {
				if err != nil {
					require.Equal(t, broken, err)
				}
			}
			require.EqualValues(t, 3, in.pulled.Load())
		})
	})

	t.Run("of an earlier item goes before that of a later one", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			for r, err := range pool.Map(here.ctx, 8, (&input{n: 8}).seq, func(_ context.Context, i int) (int, error) {
				time.Sleep(time.Duration(8-i) * time.Second)
				return i, fmt.Errorf("item %d: %w", i, broken)
			}) {
				require.Equal(t, 0, r)
				require.EqualError(t, err, "item 0: broken")
				require.ErrorIs(t, err, broken)
			}
		})
	})

	t.Run("of the parent context is yielded once", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			for at := range 10 {
				at++
				ctx, cancel := context.WithCancelCause(here.ctx)
				defer cancel(nil)
				in := &input{n: -1}
				var running atomic.Int64
				var errs []error
				k := 0
				for _, err := range m(ctx, workers, in.seq, func(ctx context.Context, i int) (int, error) {
					running.Add(1)
					defer running.Add(-1)
					if i >= at {
						<-ctx.Done()
						return 0, ctx.Err()
					}
					return i, nil
				}) {
					if err != nil {
						require.Zero(t, running.Load())
						require.EqualValues(t, 1, in.stopped.Load())
						errs = append(errs, err)
						continue
					}
					if k++; k == at {
						time.AfterFunc(time.Second, func() { cancel(broken) })
					}
				}
				require.Equal(t, []error{broken}, errs)
				require.Equal(t, at, k)
			}
		})
	})

	t.Run("of the parent context stops the input while the body waits", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			ctx, cancel := context.WithCancel(here.ctx)
			defer cancel()
			in := &input{n: -1, wait: time.Second}
			for _, err := range m(ctx, workers, in.seq, sleeper(time.Millisecond)) {
				if err != nil {
					require.Equal(t, context.Canceled, err)
					continue
				}
				cancel()
				time.Sleep(time.Minute)
			}
			require.LessOrEqual(t, in.pulled.Load(), int64(2))
		})
	})

	t.Run("of the parent context while items are quick", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			for at := 5000; at < 5010; at++ {
				ctx, cancel := context.WithCancelCause(here.ctx)
				var errs []error
				for _, err := range pool.Map(ctx, 2, (&input{n: -1}).seq, func(ctx context.Context, i int) (int, error) {
					if i == at {
						cancel(broken)
						return i, ctx.Err()
					}
					return i, nil
				}) {
					if err != nil {
						errs = append(errs, err)
					}
				}
				require.Equal(t, []error{broken}, errs)
			}
		})
	})

	t.Run("of a context that is done at the beginning", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			ctx, cancel := context.WithCancelCause(here.ctx)
			cancel(broken)
			var errs []error
			for _, err := range m(ctx, workers, (&input{n: -1}).seq, func(context.Context, int) (int, error) {
				panic("ran")
			}) {
				errs = append(errs, err)
			}
			require.Equal(t, []error{broken}, errs)
		})
	})

	t.Run("of a context with a deadline", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			ctx, cancel := context.WithTimeout(here.ctx, 1050*time.Millisecond)
			defer cancel()
			start := time.Now()
			k := 0
			for _, err := range m(ctx, workers, (&input{n: -1}).seq, sleeper(100*time.Millisecond)) {
				if err != nil {
					require.Equal(t, context.DeadlineExceeded, err)
					require.Equal(t, 1100*time.Millisecond, time.Since(start)) // the items do not heed ctx
					continue
				}
				k++
			}
			require.Equal(t, 10*here.workers(workers), k)
		})
	})
}

func TestMapPanic(t *testing.T) {
	t.Run("of an item is raised after the results before it", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, ordered bool, workers int) {
			for bad := range 12 {
				in := &input{n: -1}
				var got []int
				p := caught(func() {
					for r, err := range m(here.ctx, workers, in.seq, func(_ context.Context, i int) (int, error) {
						time.Sleep(time.Duration((i*7)%10) * time.Millisecond)
						if i == bad {
							explode()
						}
						return i, nil
					}) {
						require.NoError(t, err)
						got = append(got, r)
					}
				}).(*core.PanicError)
				require.Equal(t, "boom", p.Value)
				require.Contains(t, string(p.Stack), "pool_test.explode")
				require.Empty(t, p.Others)
				require.EqualValues(t, 1, in.stopped.Load())
				if ordered {
					require.Len(t, got, bad)
				}
			}
		})
	})

	t.Run("of a quick item is raised after the results before it", func(t *testing.T) {
		for bad := 1000; bad < 3000; bad += 101 {
			in := &input{n: -1}
			k := 0
			p := caught(func() {
				for r, err := range pool.Map(t.Context(), 2, in.seq, func(_ context.Context, i int) (int, error) {
					if i == bad {
						explode()
					}
					return i, nil
				}) {
					require.NoError(t, err)
					require.Equal(t, k, r)
					k++
				}
			}).(*core.PanicError)
			require.Equal(t, "boom", p.Value)
			require.Equal(t, bad, k)
		}
	})

	t.Run("of the input is raised after the results before it", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			for bad := range 12 {
				k := 0
				p := caught(func() {
					for _, err := range m(here.ctx, workers, func(yield func(int) bool) {
						for i := range bad {
							if !yield(i) {
								return
							}
						}
						explode()
					}, sleeper(time.Millisecond)) {
						require.NoError(t, err)
						k++
					}
				}).(*core.PanicError)
				require.Equal(t, "boom", p.Value)
				require.Contains(t, string(p.Stack), "pool_test.explode")
				require.Equal(t, bad, k)
			}
		})
	})

	t.Run("of two items is one with the other among its others", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			here.needs(t, 2)
			p := caught(func() {
				for range pool.Map(here.ctx, 8, (&input{n: 2}).seq, func(_ context.Context, i int) (int, error) { //coterie:waiterr it panics
					time.Sleep(time.Duration(i+1) * time.Second)
					panic(i)
				}) {
				}
			}).(*core.PanicError)
			require.Equal(t, 0, p.Value)
			require.Len(t, p.Others, 1)
			require.Equal(t, 1, p.Others[0].Value)
		})
	})

	t.Run("Goexit of an item or the input ends the goroutine", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, ordered bool, workers int) {
			for bad := range 12 {
				for _, inItem := range []bool{true, false} {
					k, returned, deferred := 0, false, false
					done := make(chan struct{})
					go func() {
						defer close(done)
						for range m(here.ctx, workers, func(yield func(int) bool) {
							defer func() { deferred = true }()
							for i := 0; inItem || i < bad; i++ {
								if !yield(i) {
									return
								}
							}
							runtime.Goexit()
						}, func(_ context.Context, i int) (int, error) {
							if inItem && i == bad {
								runtime.Goexit()
							}
							return i, nil
						}) {
							k++
						}
						returned = true
					}()
					<-done
					require.False(t, returned)
					require.True(t, deferred)
					if ordered || !inItem {
						require.Equal(t, bad, k)
					}
				}
			}
		})
	})
}

// An item that ends its goroutine must not cancel those before it, whose results
// are still to be yielded.
func TestMapGoexitWaitsForItemsBefore(t *testing.T) {
	everywhere(t, func(t *testing.T, here place) {
		var got []int
		returned := false
		done := make(chan struct{})
		go func() {
			defer close(done)
			for v, err := range pool.Map(here.ctx, 2, (&input{n: 2}).seq, func(ctx context.Context, i int) (int, error) {
				if i == 1 {
					runtime.Goexit()
				}
				select {
				case <-time.After(time.Second):
					return 7, nil
				case <-ctx.Done():
					return 0, context.Cause(ctx)
				}
			}) {
				assert.NoError(t, err)
				got = append(got, v)
			}
			returned = true
		}()
		<-done
		require.False(t, returned)
		require.Equal(t, []int{7}, got)
	})
}

func explode() { panic("boom") }

func TestMapBadInput(t *testing.T) {
	in := &input{n: 1}
	for _, m := range []mapper{pool.Map[int, int], pool.MapUnordered[int, int]} {
		require.Equal(t, "pool: nil context", caught(func() { m(nil, 1, in.seq, square) }))
		require.Equal(t, "pool: nil seq", caught(func() { m(t.Context(), 1, nil, square) }))
		require.Equal(t, "pool: nil func", caught(func() { m(t.Context(), 1, in.seq, nil) }))
	}
	require.Zero(t, in.stopped.Load())
}
