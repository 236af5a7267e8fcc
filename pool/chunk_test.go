package pool_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/pool"
)

// counting yields 0 to n-1, a pause before each, and counts how many were pulled, and whether
// it has ended.
type counting struct {
	pulled, ended atomic.Int32
}

func (c *counting) seq(n int, pause time.Duration) iter.Seq[int] {
	return func(yield func(int) bool) {
		defer c.ended.Add(1)
		for i := range n {
			time.Sleep(pause)
			c.pulled.Add(1)
			if !yield(i) {
				return
			}
		}
	}
}

func TestChunk(t *testing.T) {
	lengths := func(chunks iter.Seq[[]int]) (lengths []int) {
		next := 0
		for chunk := range chunks {
			lengths = append(lengths, len(chunk))
			for _, v := range chunk {
				if v != next {
					panic("out of order")
				}
				next++
			}
		}
		return lengths
	}

	t.Run("by number, and what is left", func(t *testing.T) {
		for n, want := range map[int][]int{
			1: {1, 1, 1, 1, 1, 1, 1}, 2: {2, 2, 2, 1}, 3: {3, 3, 1}, 7: {7}, 8: {7}, math.MaxInt: {7},
		} {
			for _, wait := range []time.Duration{0, time.Hour, math.MaxInt64} {
				synctest.Test(t, func(t *testing.T) {
					var in counting
					started := time.Now()
					require.Equal(t, want, lengths(pool.Chunk(t.Context(), in.seq(7, time.Second), n, wait)))
					require.Equal(t, 7*time.Second, time.Since(started))
					require.EqualValues(t, 1, in.ended.Load())
				})
			}
		}
		require.Empty(t, lengths(pool.Chunk(t.Context(), slices.Values([]int(nil)), 3, time.Hour)))
	})

	t.Run("of many", func(t *testing.T) {
		n := manyItems / 10
		for _, size := range []int{1, 7, 1000} {
			got := lengths(pool.Chunk(t.Context(), new(counting).seq(n, 0), size, time.Hour))
			require.Len(t, got, (n+size-1)/size)
		}
	})

	t.Run("goes out when its time is up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			var at []time.Duration
			var got [][]int
			for chunk := range pool.Chunk(t.Context(), new(counting).seq(10, time.Second), 100, 3500*time.Millisecond) {
				got = append(got, chunk)
				at = append(at, time.Since(started))
			}
			require.Equal(t, [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}, got)
			require.Equal(t, []time.Duration{4500 * time.Millisecond, 8500 * time.Millisecond, 10 * time.Second}, at)
		})
	})

	t.Run("whose time was up during the body goes out at once after it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			var at []time.Duration
			for range pool.Chunk(t.Context(), new(counting).seq(6, time.Second), 100, time.Second) {
				at = append(at, time.Since(started).Round(time.Second))
				time.Sleep(2500 * time.Millisecond)
			}
			require.Equal(t, []time.Duration{2 * time.Second, 5 * time.Second, 7 * time.Second}, at)
		})
	})

	t.Run("goes out to the nanosecond when its time is up", func(t *testing.T) {
		for _, wait := range []time.Duration{1, time.Second} {
			for _, body := range []time.Duration{wait - 1, wait, wait + 1} {
				synctest.Test(t, func(t *testing.T) {
					started := time.Now()
					var at []time.Duration
					for range pool.Chunk(t.Context(), func(yield func(int) bool) {
						if yield(0) && yield(1) && yield(2) {
							time.Sleep(time.Hour)
						}
					}, 2, wait) {
						at = append(at, time.Since(started))
						synctest.Wait() // the reader has put the third item
						time.Sleep(body)
					}
					require.Equal(t, []time.Duration{0, max(wait, body)}, at)
				})
			}
		}
	})

	t.Run("is filled while the body runs, by n items at most", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var in counting
			seen := int32(0)
			started := time.Now()
			for chunk := range pool.Chunk(t.Context(), in.seq(30, time.Second), 3, 0) {
				seen += int32(len(chunk))
				time.Sleep(3 * time.Second)
				synctest.Wait()
				require.LessOrEqual(t, in.pulled.Load(), seen+3)
			}
			require.Equal(t, 33*time.Second, time.Since(started), "stages overlap")
			in = counting{}
			for range pool.Chunk(t.Context(), in.seq(30, 0), 3, 0) {
				time.Sleep(time.Hour)
				require.EqualValues(t, 6, in.pulled.Load())
				break
			}
		})
	})

	t.Run("is the caller's", func(t *testing.T) {
		var all [][]int
		for chunk := range pool.Chunk(t.Context(), new(counting).seq(100, 0), 7, 0) {
			all = append(all, chunk)
			_ = append(chunk, -1, -1, -1)
		}
		require.Equal(t, slices.Collect(new(counting).seq(100, 0)), slices.Concat(all...))
	})
}

func TestMerge(t *testing.T) {
	t.Run("yields items as they come, those of an input in their order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			started := time.Now()
			var seconds []int
			sequence := func(first, step int) iter.Seq[int] {
				return func(yield func(int) bool) {
					for i := first; i < 12; i += step {
						time.Sleep(time.Until(started.Add(time.Duration(i) * time.Second)))
						if !yield(i) {
							return
						}
					}
				}
			}
			for v := range pool.Merge(t.Context(), sequence(1, 2), sequence(2, 4), sequence(0, 4)) {
				seconds = append(seconds, v)
				require.Equal(t, time.Duration(v)*time.Second, time.Since(started))
			}
			require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, seconds)
		})
	})

	t.Run("of many items loses none", func(t *testing.T) {
		n := manyItems / 20
		for _, inputs := range []int{1, 2, 100} {
			var seqs []iter.Seq[[2]int]
			for i := range inputs {
				seqs = append(seqs, func(yield func([2]int) bool) {
					for v := range n / inputs {
						if !yield([2]int{i, v}) {
							return
						}
					}
				})
			}
			next := make([]int, inputs)
			for v := range pool.Merge(t.Context(), seqs...) {
				if v[1] != next[v[0]] {
					t.Fatalf("input %d: got %d instead of %d", v[0], v[1], next[v[0]])
				}
				next[v[0]]++
			}
			for _, got := range next {
				require.Equal(t, n/inputs, got)
			}
		}
	})

	t.Run("of none is empty", func(t *testing.T) {
		for range pool.Merge[int](t.Context()) {
			t.Error("an item")
		}
		for range pool.Merge(t.Context(), slices.Values([]int(nil)), slices.Values([]int(nil))) {
			t.Error("an item")
		}
	})

	t.Run("is ahead of the body by 32 items of each input at most", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var quick, slow counting
			seen := [2]int32{}
			for v := range pool.Merge(t.Context(), quick.seq(200, 0), func(yield func(int) bool) {
				for range slow.seq(20, 10*time.Second) {
					if !yield(-1) {
						return
					}
				}
			}) {
				time.Sleep(time.Second)
				synctest.Wait()
				which := 0
				if v < 0 {
					which = 1
				}
				seen[which]++
				require.LessOrEqual(t, quick.pulled.Load(), seen[0]+32)
				require.LessOrEqual(t, slow.pulled.Load(), seen[1]+32)
			}
			require.Equal(t, [2]int32{200, 20}, seen)
		})
	})
}

// What holds for both.
func TestGathered(t *testing.T) {
	chunk := func(ctx context.Context, in iter.Seq[int]) iter.Seq[int] {
		return func(yield func(int) bool) {
			for chunk := range pool.Chunk(ctx, in, 2, 0) {
				for _, v := range chunk {
					if !yield(v) {
						return
					}
				}
			}
		}
	}
	for name, gathered := range map[string]func(ctx context.Context, in iter.Seq[int]) iter.Seq[int]{
		"Chunk":        chunk,
		"Merge of one": func(ctx context.Context, in iter.Seq[int]) iter.Seq[int] { return pool.Merge(ctx, in) },
		"Merge of a blocked one": func(ctx context.Context, in iter.Seq[int]) iter.Seq[int] {
			return pool.Merge(ctx, in, func(yield func(int) bool) {
				for yield(-1) { // until it is full
				}
			})
		},
	} {
		t.Run(name+": leaving the loop joins the inputs", func(t *testing.T) {
			for _, pause := range []time.Duration{0, time.Second} {
				synctest.Test(t, func(t *testing.T) {
					var in counting
					for range gathered(t.Context(), in.seq(math.MaxInt, pause)) {
						break
					}
					require.EqualValues(t, 1, in.ended.Load())
					require.Equal(t, "body", caught(func() {
						for range gathered(t.Context(), in.seq(math.MaxInt, pause)) {
							panic("body")
						}
					}))
					require.EqualValues(t, 2, in.ended.Load())
					for range gathered(t.Context(), in.seq(0, 0)) {
						break
					}
					require.EqualValues(t, 3, in.ended.Load())
				})
			}
		})

		t.Run(name+": a Goexit of the body joins the inputs", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var in counting
				go func() {
					for range gathered(t.Context(), in.seq(math.MaxInt, 0)) {
						runtime.Goexit()
					}
				}()
				synctest.Wait()
				require.EqualValues(t, 1, in.ended.Load())
			})
		})

		t.Run(name+": the end of the context ends the loop", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, pause := range []time.Duration{0, time.Second} {
					ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
					defer cancel()
					var in counting
					for range gathered(ctx, in.seq(math.MaxInt, pause)) {
						time.Sleep(time.Millisecond)
					}
					require.Error(t, ctx.Err())
					require.EqualValues(t, 1, in.ended.Load())
					for range gathered(ctx, in.seq(math.MaxInt, 0)) {
						t.Error("an item")
					}
				}
			})
		})

		t.Run(name+": a panic of an input is raised after its items", func(t *testing.T) {
			boom := errors.New("boom")
			failing := func(yield func(int) bool) {
				for i := range 3 {
					if !yield(i) {
						return
					}
				}
				panic(boom)
			}
			var got []int
			pe := caught(func() {
				for v := range gathered(t.Context(), failing) {
					if v >= 0 {
						got = append(got, v)
					}
				}
			}).(*core.PanicError)
			require.ErrorIs(t, pe, boom)
			require.Equal(t, []int{0, 1, 2}, got)
			pe = caught(func() {
				for range gathered(t.Context(), func(func(int) bool) { panic(boom) }) {
				}
			}).(*core.PanicError)
			require.ErrorIs(t, pe, boom)
		})

		t.Run(name+": a panic of the body and one of an input are raised as one", func(t *testing.T) {
			pe := caught(func() {
				for range gathered(t.Context(), func(yield func(int) bool) {
					defer panic("input")
					for yield(1) {
					}
				}) {
					panic("body")
				}
			}).(*core.PanicError)
			require.Equal(t, "body", pe.Value)
			require.Len(t, pe.Others, 1)
			require.Equal(t, "input", pe.Others[0].Value)
		})

		t.Run(name+": a Goexit of an input is raised", func(t *testing.T) {
			done := make(chan bool)
			go func() {
				defer close(done)
				for range gathered(t.Context(), func(yield func(int) bool) {
					_ = yield(1) && yield(2)
					runtime.Goexit()
				}) {
				}
				done <- true
			}()
			require.False(t, <-done)
		})

		t.Run(name+": each range runs the input anew, and works within a pool of one", func(t *testing.T) {
			p := pool.New(1, pool.Options{})
			defer p.Close()
			var in counting
			seq := func(ctx context.Context) iter.Seq[int] {
				return gathered(ctx, func(yield func(int) bool) {
					for v := range in.seq(50, 0) {
						if !yield(v) {
							return
						}
					}
				})
			}
			b := p.Batch(t.Context())
			require.NoError(t, b.GoContext(t.Context(), func(ctx context.Context) {
				for range 2 {
					n := 0
					for v := range seq(ctx) {
						if v < 0 {
							continue
						}
						if n++; n == 50 {
							break
						}
					}
				}
			}))
			b.Wait()
			require.EqualValues(t, 2, in.ended.Load())
		})
	}

	t.Run("bad arguments panic at the call", func(t *testing.T) {
		in := slices.Values([]int{1})
		require.Equal(t, "pool: nil context", caught(func() { pool.Chunk(nil, in, 1, 0) }))
		require.Equal(t, "pool: nil seq", caught(func() { pool.Chunk[int](t.Context(), nil, 1, 0) }))
		require.Equal(t, "pool: chunks of less than 1 item, got 0", caught(func() { pool.Chunk(t.Context(), in, 0, 0) }))
		require.Equal(t, "pool: chunks of less than 1 item, got -5", caught(func() { pool.Chunk(t.Context(), in, -5, 0) }))
		require.Equal(t, "pool: negative wait, got -1ns", caught(func() { pool.Chunk(t.Context(), in, 1, -1) }))
		require.Equal(t, "pool: nil context", caught(func() { pool.Merge(nil, in) }))
		require.Equal(t, "pool: nil seq", caught(func() { pool.Merge(t.Context(), in, nil) }))
	})
}

// All stages of a chain overlap, and leaving the last loop ends all of them.
func TestChain(t *testing.T) {
	chain := func(ctx context.Context, in ...iter.Seq[int]) iter.Seq2[int, error] {
		slow := func(_ context.Context, v int) (int, error) { time.Sleep(time.Second); return v, nil }
		first := pool.Map(ctx, 1, pool.Merge(ctx, in...), slow)
		second := pool.ThenUnordered(ctx, 1, first, slow)
		return pool.Map(ctx, 1, pool.Chunk(ctx, func(yield func(int) bool) {
			for v, err := range second {
				if err != nil || !yield(v) {
					return
				}
			}
		}, 1, time.Minute), func(_ context.Context, chunk []int) (int, error) { time.Sleep(time.Second); return chunk[0], nil })
	}
	t.Run("stages overlap", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var a, b counting
			started := time.Now()
			n := 0
			for _, err := range chain(t.Context(), a.seq(10, time.Second), b.seq(10, time.Second)) {
				require.NoError(t, err)
				n++
			}
			require.Equal(t, 20, n)
			require.Equal(t, 23*time.Second, time.Since(started))
		})
	})

	t.Run("leaving the last loop ends all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var a, b counting
			for _, err := range chain(t.Context(), a.seq(math.MaxInt, time.Second), b.seq(math.MaxInt, 0)) {
				require.NoError(t, err)
				break
			}
			require.EqualValues(t, 2, a.ended.Load()+b.ended.Load())
			require.LessOrEqual(t, int(a.pulled.Load()+b.pulled.Load()), 100, "back-pressure")
		})
	})

	t.Run("the end of the context ends all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var a, b counting
			ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second+1, errors.New("late"))
			defer cancel()
			var last error
			for _, err := range chain(ctx, a.seq(math.MaxInt, time.Second), b.seq(math.MaxInt, time.Second)) {
				last = err
			}
			require.EqualError(t, last, "late")
			require.EqualValues(t, 2, a.ended.Load()+b.ended.Load())
		})
	})
}
