package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/pool"
)

// A loop behaves the same in each setting, whatever the input, the items and the body of
// the range loop wait for.
func TestMapWaits(t *testing.T) {
	t.Run("the body decides when the input ends", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			todo := make(chan int, 2)
			todo <- 0
			todo <- 1
			var got []int
			for v, err := range m(here.ctx, workers, received(todo), func(_ context.Context, v int) (int, error) {
				time.Sleep(time.Duration(1+v) * time.Second)
				return v, nil
			}) {
				require.NoError(t, err)
				if got = append(got, v); v == 1 {
					close(todo)
				}
			}
			require.Equal(t, []int{0, 1}, got)
		})
	})

	t.Run("the body makes the input", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			todo := make(chan int, 1)
			todo <- 1
			n := 0
			for v, err := range m(here.ctx, workers, received(todo), func(_ context.Context, v int) (int, error) { return 2 * v, nil }) {
				require.NoError(t, err)
				if n++; v > 1000 {
					close(todo)
				} else {
					todo <- v
				}
			}
			require.Equal(t, 10, n)
		})
	})

	t.Run("an item waits for what the body did with an earlier result", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			seen := make([]chan struct{}, 50)
			for i := range seen {
				seen[i] = make(chan struct{})
			}
			n := 0
			for i, err := range m(here.ctx, workers, (&input{n: len(seen)}).seq, func(_ context.Context, i int) (int, error) {
				if i > 0 {
					<-seen[i-1]
				}
				return i, nil
			}) {
				require.NoError(t, err)
				close(seen[i])
				n++
			}
			require.Equal(t, len(seen), n)
		})
	})

	t.Run("results come while the input sleeps", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			start := time.Now()
			for i, err := range m(here.ctx, workers, func(yield func(int) bool) {
				for i := 0; yield(i); i++ {
					time.Sleep(time.Hour)
				}
			}, sleeper(time.Second)) {
				require.NoError(t, err)
				require.Equal(t, time.Second, time.Since(start)%time.Hour)
				if i == 9 {
					break
				}
			}
			require.Equal(t, 4*time.Hour, time.Since(start)) // until the input has ended
		})
	})

	t.Run("the input has locked its thread", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			for _, m := range []mapper{pool.Map[int, int], pool.MapUnordered[int, int]} {
				n := 0
				for _, err := range m(here.ctx, 2, func(yield func(int) bool) {
					runtime.LockOSThread()
					(&input{n: 100}).seq(yield)
				}, square) {
					require.NoError(t, err)
					n++
				}
				require.Equal(t, 100, n)
			}
		})
	})
}

func received(c <-chan int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for v := range c {
			if !yield(v) {
				return
			}
		}
	}
}

// ending returns how a goroutine ends that calls f: with what it panics, or by a Goexit.
func ending(f func()) (panicked any, goexit bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		goexit = true
		f()
		goexit = false
	}()
	<-done
	return panicked, goexit
}

// exitAndPanic calls Goexit, during which a deferred call panics.
func exitAndPanic() {
	defer explode()
	runtime.Goexit()
}

// panicAndExit panics, and a deferred call calls Goexit, which ends the panic.
func panicAndExit() {
	defer runtime.Goexit()
	explode()
}

// A panic beside a Goexit is raised, in the input, in an item and in the body, and
// everything is joined.
func TestLoopsGoexitAndPanic(t *testing.T) {
	for name, loop := range loops {
		t.Run(name+", in an item", func(t *testing.T) {
			everywhere(t, func(t *testing.T, here place) {
				for _, workers := range []int{1, 2, 8} {
					for bad := range 5 {
						var running atomic.Int32
						run := func(end func()) (any, bool) {
							return ending(func() {
								loop(here.ctx, workers, 20, func(_ context.Context, i int) error {
									running.Add(1)
									defer running.Add(-1)
									time.Sleep(time.Duration(i%3) * time.Millisecond)
									if i == bad {
										end()
									}
									return nil
								})
							})
						}
						panicked, _ := run(exitAndPanic)
						require.IsType(t, new(core.PanicError), panicked)
						require.Equal(t, "boom", panicked.(*core.PanicError).Value)
						panicked, goexit := run(panicAndExit)
						require.Nil(t, panicked)
						require.True(t, goexit)
						require.Zero(t, running.Load())
					}
				}
			})
		})
	}

	inputEndingWith := func(n int, end func()) iter.Seq[int] {
		return func(yield func(int) bool) {
			(&input{n: n}).seq(yield)
			end()
		}
	}
	t.Run("in the input", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			for n := range 5 {
				k := 0
				run := func(end func()) (any, bool) {
					k = 0
					return ending(func() {
						for range m(here.ctx, workers, inputEndingWith(n, end), sleeper(time.Second)) {
							k++
						}
					})
				}
				panicked, _ := run(exitAndPanic)
				require.Equal(t, n, k)
				require.IsType(t, new(core.PanicError), panicked)
				require.Equal(t, "boom", panicked.(*core.PanicError).Value)
				panicked, goexit := run(panicAndExit)
				require.Equal(t, n, k)
				require.Nil(t, panicked)
				require.True(t, goexit)
			}
		})
	})

	t.Run("in the input, when the loop is left", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			panicked, _ := ending(func() {
				for range m(here.ctx, workers, inputEndingWith(100, exitAndPanic), square) {
					break
				}
			})
			require.IsType(t, new(core.PanicError), panicked)
		})
	})

	t.Run("in the body", func(t *testing.T) {
		matrix(t, func(t *testing.T, here place, m mapper, _ bool, workers int) {
			for last := range 5 {
				in := &input{n: -1}
				run := func(end func()) (any, bool) {
					return ending(func() {
						k := 0
						for range m(here.ctx, workers, in.seq, square) {
							if k++; k > last {
								end()
							}
						}
					})
				}
				panicked, _ := run(exitAndPanic)
				require.Equal(t, "boom", panicked)
				panicked, goexit := run(panicAndExit)
				require.Nil(t, panicked)
				require.True(t, goexit)
				require.EqualValues(t, 2, in.stopped.Load())
			}
		})
	})

	t.Run("a body that ends does not hide an item's panic", func(t *testing.T) {
		everywhere(t, func(t *testing.T, here place) {
			here.needs(t, 2)
			run := func(end func()) (any, bool) {
				return ending(func() {
					begun := make(chan struct{})
					for range pool.Map(here.ctx, 2, (&input{n: 2}).seq, func(ctx context.Context, i int) (int, error) { //coterie:waiterr it panics
						if i == 1 {
							close(begun)
							<-ctx.Done()
							explode()
						}
						<-begun
						return i, nil
					}) {
						end()
						break
					}
				})
			}
			panicked, _ := run(runtime.Goexit)
			require.Equal(t, "boom", panicked.(*core.PanicError).Value)
			panicked, _ = run(func() {})
			require.Equal(t, "boom", panicked.(*core.PanicError).Value)
			panicked, _ = run(func() { panic("mine") })
			require.Equal(t, "mine", panicked.(*core.PanicError).Value)
			require.Len(t, panicked.(*core.PanicError).Others, 1)
			require.Equal(t, "boom", panicked.(*core.PanicError).Others[0].Value)
		})
	})
}

// A number of workers that means "no limit" costs what is used.
func TestLoopsWithoutALimit(t *testing.T) {
	numbers := []int{math.MaxInt32, math.MaxInt - 1, math.MaxInt}
	if strconv.IntSize > 32 {
		numbers = append(numbers, 1<<(strconv.IntSize-24), 1<<(strconv.IntSize/2))
	}
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			everywhereByRealClock(t, func(t *testing.T, here place) {
				for _, workers := range numbers {
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					var calls atomic.Int32
					require.NoError(t, loop(here.ctx, workers, 1000, func(context.Context, int) error {
						calls.Add(1)
						return nil
					}))
					runtime.ReadMemStats(&after)
					require.EqualValues(t, 1000, calls.Load())
					require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10<<20), "%d workers", workers)
				}
			})
		})
		t.Run(name+" runs all items at once", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := child.Many(200, 1000)
				for _, workers := range append(numbers, n, 2*n) {
					start := time.Now()
					require.NoError(t, loop(t.Context(), workers, n, func(context.Context, int) error {
						time.Sleep(time.Second)
						return nil
					}))
					require.Equal(t, time.Second, time.Since(start))
				}
			})
		})
	}

	t.Run("a stream that the pool refused a helper gets one when the pool has room", func(t *testing.T) {
		for _, m := range []mapper{pool.Map[int, int], pool.MapUnordered[int, int]} {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(2, pool.Options{Queue: 1})
				p.Go(func() { time.Sleep(500 * time.Millisecond) })
				full := make(chan struct{})
				var took time.Duration
				require.NoError(t, p.GoContext(t.Context(), func(ctx context.Context) {
					<-full
					start := time.Now()
					for _, err := range m(ctx, 2, (&input{n: 9}).seq, sleeper(time.Second)) {
						assert.NoError(t, err)
					}
					took = time.Since(start)
				}))
				p.Go(func() {})
				close(full)
				p.Close()
				require.Equal(t, 5*time.Second, took, "one item alone, then two at once")
			})
		}
	})

	t.Run("the items in flight are bounded by the workers that are used", func(t *testing.T) {
		if raceBuild {
			t.Skip("items are slow to begin there, so more workers are used")
		}
		for _, m := range []mapper{pool.Map[int, int], pool.MapUnordered[int, int]} {
			everywhere(t, func(t *testing.T, here place) {
				in := &input{n: -1}
				k := 0
				for range m(here.ctx, math.MaxInt, in.seq, square) {
					time.Sleep(time.Second)
					require.LessOrEqual(t, int(in.pulled.Load()), k+4*2*64)
					if k++; k == 50 {
						break
					}
				}
			})
		}
	})
}

// The context of a loop that has ended does not keep its budget.
func TestContextOutlivesItsLoop(t *testing.T) {
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, here place) {
				var kept context.Context
				require.NoError(t, loop(here.ctx, 1, 1, func(ctx context.Context, _ int) error {
					kept = context.WithoutCancel(ctx)
					return nil
				}))
				start := time.Now()
				require.NoError(t, loop(kept, 10, 2*here.workers(10), func(context.Context, int) error {
					time.Sleep(time.Second)
					return nil
				}))
				require.Equal(t, 2*time.Second, time.Since(start))
			})
		})
	}
}

// labels returns the profiler labels of the goroutines that run a function of the given
// name, sorted.
func labels(function string) (labels []string) {
	var profile strings.Builder // has a record for all goroutines of the same stack and labels
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		panic(err)
	}
	record := regexp.MustCompile(`(?m)^(\d+) @.*\n(?:# labels: (.*)\n)?((?:#.*\n)+)`)
	for _, r := range record.FindAllStringSubmatch(profile.String(), -1) {
		if strings.Contains(r[3], function) {
			n, _ := strconv.Atoi(r[1])
			for range n {
				labels = append(labels, regexp.MustCompile(`"job":"\w+"`).FindString(r[2]))
			}
		}
	}
	slices.Sort(labels)
	return labels
}

// ownLabels returns the labels of the caller's goroutine.
//
//go:noinline
func ownLabels() []string { return labels("pool_test.ownLabels") }

// labelled is an item, or a body, that waits.
func labelled(ready *atomic.Int32, release chan struct{}) {
	ready.Add(1)
	<-release
}

// Workers carry the labels of the context, wherever they come from. The caller keeps its own.
func TestLoopLabels(t *testing.T) {
	const job = `"job":"x"`
	run := func(ctx context.Context, loop func(ctx context.Context, workers, n int, f func(context.Context, int) error) error, workers int) func() []string {
		var ready atomic.Int32
		release, ended := make(chan struct{}), make(chan struct{})
		var got []string
		go func() {
			defer close(ended)
			for int(ready.Load()) < workers {
				runtime.Gosched()
			}
			got = labels("pool_test.labelled")
			close(release)
		}()
		_ = loop(ctx, workers, workers, func(context.Context, int) error {
			labelled(&ready, release)
			return nil
		})
		return func() []string { <-ended; return got }
	}
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			everywhereByRealClock(t, func(t *testing.T, here place) {
				workers := here.workers(4)
				pprof.Do(here.ctx, pprof.Labels("job", "x"), func(ctx context.Context) {
					require.Equal(t, slices.Repeat([]string{job}, workers), run(ctx, loop, workers)(), "in pprof.Do")
				})
				// The context has labels that the caller's goroutine does not have.
				want := slices.Repeat([]string{job}, workers)
				if name == "For" || name == "MapSlice" {
					want[workers-1] = ""
					slices.Sort(want)
				}
				require.Equal(t, want, run(pprof.WithLabels(here.ctx, pprof.Labels("job", "x")), loop, workers)())
				// Neither the caller nor the pool's workers keep them.
				require.Equal(t, slices.Repeat([]string{""}, workers), run(here.ctx, loop, workers)(), "afterwards")
			})
		})
	}

	t.Run("the input of Map, and its body", func(t *testing.T) {
		everywhereByRealClock(t, func(t *testing.T, here place) {
			ctx := pprof.WithLabels(here.ctx, pprof.Labels("job", "x"))
			for range pool.Map(ctx, 2, func(yield func(int) bool) { //coterie:waiterr no call fails, and ctx does not end
				require.Equal(t, []string{job}, ownLabels(), "the input")
				yield(1)
			}, square) {
				require.Equal(t, []string{""}, ownLabels(), "the body")
			}
		})
	})
}

func TestThen(t *testing.T) {
	broken := errors.New("broken")
	type then = func(ctx context.Context, workers int, in iter.Seq2[int, error], f func(context.Context, int) (int, error)) iter.Seq2[int, error]
	both := func(t *testing.T, test func(t *testing.T, here place, then then, ordered bool, workers int)) {
		for name, then := range map[string]then{"ordered": pool.Then[int, int], "unordered": pool.ThenUnordered[int, int]} {
			for _, workers := range []int{1, 2, 8} {
				t.Run(fmt.Sprintf("%s with %d workers", name, workers), func(t *testing.T) {
					everywhere(t, func(t *testing.T, here place) { test(t, here, then, name == "ordered", workers) })
				})
			}
		}
	}
	// failing yields 0, 1, ... and an error at item bad, and then goes on.
	failing := func(bad int, pulled *int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := 0; ; i++ {
				*pulled++
				var err error
				if i == bad {
					err = broken
				}
				if !yield(i, err) {
					return
				}
			}
		}
	}

	t.Run("an error of the input comes after the results before it, which are not cancelled", func(t *testing.T) {
		both(t, func(t *testing.T, here place, then then, ordered bool, workers int) {
			for bad := range 12 {
				pulled := 0
				var got []int
				var errs []error
				for v, err := range then(here.ctx, workers, failing(bad, &pulled), func(ctx context.Context, i int) (int, error) {
					select {
					case <-time.After(time.Duration(bad-i) * time.Second):
						return i, nil
					case <-ctx.Done():
						return i, context.Cause(ctx)
					}
				}) {
					if err != nil {
						require.Zero(t, v)
						errs = append(errs, err)
						continue
					}
					require.Empty(t, errs)
					got = append(got, v)
				}
				require.Equal(t, []error{broken}, errs)
				require.Equal(t, bad+1, pulled)
				require.Len(t, got, bad)
				if ordered {
					require.True(t, slices.IsSorted(got))
				}
			}
		})
	})

	t.Run("an item's error before it ends the sequence", func(t *testing.T) {
		both(t, func(t *testing.T, here place, then then, _ bool, workers int) {
			pulled := 0
			own := errors.New("the item's")
			var errs []error
			for v, err := range then(here.ctx, workers, failing(3, &pulled), func(_ context.Context, i int) (int, error) {
				if i == 1 {
					return -1, own
				}
				return i, nil
			}) {
				if err != nil {
					require.Equal(t, -1, v)
					errs = append(errs, err)
				}
			}
			require.Equal(t, []error{own}, errs)
		})
	})

	t.Run("stages chain, and leaving the last ends all", func(t *testing.T) {
		both(t, func(t *testing.T, here place, then then, _ bool, workers int) {
			for last := range 5 {
				in := &input{n: -1}
				k := 0
				add := func(_ context.Context, i int) (int, error) { return i + 1, nil }
				first := pool.Map(here.ctx, workers, in.seq, add)
				for _, err := range then(here.ctx, workers, then(here.ctx, workers, first, add), add) {
					require.NoError(t, err)
					if k++; k > last {
						break
					}
				}
				require.EqualValues(t, 1, in.stopped.Load())
			}
		})
	})

	t.Run("stages hand on results, errors and panics", func(t *testing.T) {
		both(t, func(t *testing.T, here place, then then, _ bool, workers int) {
			add := func(_ context.Context, i int) (int, error) { return i + 1, nil }
			run := func(end func() error) (sum int, err error) {
				first := pool.Map(here.ctx, workers, (&input{n: 20}).seq, func(_ context.Context, i int) (int, error) {
					if i == 10 {
						return i, end()
					}
					return i, nil
				})
				for v, e := range then(here.ctx, workers, first, add) {
					sum += v
					err = e
				}
				return sum, err
			}
			sum, err := run(func() error { return nil })
			require.NoError(t, err)
			require.Equal(t, 210, sum)
			sum, err = run(func() error { return broken })
			require.Equal(t, broken, err)
			require.Equal(t, 55, sum)
			require.Equal(t, "boom", caught(func() { run(func() error { explode(); return nil }) }).(*core.PanicError).Value)
		})
	})

	t.Run("bad input", func(t *testing.T) {
		require.Equal(t, "pool: nil seq", caught(func() { pool.Then(t.Context(), 1, nil, square) }))
		require.Equal(t, "pool: nil seq", caught(func() { pool.ThenUnordered(t.Context(), 1, nil, square) }))
	})
}

func TestKeep(t *testing.T) {
	everywhere(t, func(t *testing.T, here place) {
		odd := errors.New("odd")
		keep := pool.Keep(func(_ context.Context, i int) (string, error) {
			if i%2 == 1 {
				return "half", odd
			}
			return strconv.Itoa(i), nil
		})
		var got []pool.Kept[int, string]
		for kept, err := range pool.Map(here.ctx, 2, (&input{n: 3}).seq, keep) {
			require.NoError(t, err)
			got = append(got, kept)
		}
		require.Equal(t, []pool.Kept[int, string]{{In: 0, Out: "0"}, {In: 1, Out: "half", Err: odd}, {In: 2, Out: "2"}}, got)
		require.Equal(t, "pool: nil func", caught(func() { pool.Keep[int, int](nil) }))
	})
}
