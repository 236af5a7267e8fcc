package guide_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// snippet: a timer that begins anew with each row
func writeBatches(rows <-chan int, write func(batch []int)) {
	var batch []int
	for {
		select {
		case row, ok := <-rows:
			if !ok {
				write(batch)
				return
			}
			if batch = append(batch, row); len(batch) == 100 {
				write(batch)
				batch = nil
			}
		case <-time.After(time.Second): // no batch is older than a second
			write(batch)
			batch = nil
		}
	}
}

func TestBugBatchTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		rows := make(chan int)
		go func() {
			defer close(rows)
			for row := range 200 {
				rows <- row
				time.Sleep(900 * time.Millisecond)
			}
		}()
		writeBatches(rows, func(batch []int) {
			if age := time.Since(started); age > 2*time.Second {
				t.Errorf("%d rows, the first of them %v old", len(batch), age)
			}
		})
	})
}

// end snippet

// slowly yields one row each 900 ms.
func slowly(rows int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for row := range rows {
			if !yield(row) {
				return
			}
			time.Sleep(900 * time.Millisecond)
		}
	}
}

func TestChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lengths []int
		started := time.Now()
		write := func(_ context.Context, batch []int) error {
			lengths = append(lengths, len(batch))
			require.Equal(t, time.Duration(len(lengths))*1800*time.Millisecond-800*time.Millisecond, time.Since(started))
			return nil
		}
		// snippet: batches by number or time
		inBatches := func(ctx context.Context, rows iter.Seq[int]) error {
			for batch := range pool.Chunk(ctx, rows, 100, time.Second) {
				if err := write(ctx, batch); err != nil {
					return err
				}
			}
			return context.Cause(ctx)
		}
		// end snippet
		require.NoError(t, inBatches(t.Context(), slowly(6)))
		require.Equal(t, []int{2, 2, 2}, lengths)
		// snippet: several batches at a time
		twoAtOnce := func(ctx context.Context, rows iter.Seq[int]) error {
			return pool.Each(ctx, 2, pool.Chunk(ctx, rows, 100, time.Second), write)
		}
		// end snippet
		lengths, started = nil, time.Now()
		require.NoError(t, twoAtOnce(t.Context(), slowly(2)))
		require.Equal(t, []int{2}, lengths)
	})
}

// snippet: lines of a file
func lines(r io.Reader) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		c := csv.NewReader(r)
		for {
			line, err := c.Read()
			if err == io.EOF || !yield(line, err) {
				return
			}
		}
	}
}

// end snippet

func cents(_ context.Context, line []string) ([]string, error) {
	price, err := strconv.ParseFloat(line[1], 64)
	if err != nil {
		return nil, err
	}
	return []string{line[0], strconv.Itoa(int(100*price + 0.5))}, nil
}

// snippet: CSV to CSV
func convert(ctx context.Context, from io.Reader, good, bad *csv.Writer) error {
	for row, err := range pool.Then(ctx, 8, lines(from), pool.Keep(cents)) {
		switch {
		case err != nil: // the file cannot be read, or ctx is done
			return err
		case row.Err != nil:
			bad.Write(append(row.In, row.Err.Error()))
		default:
			good.Write(row.Out)
		}
	}
	good.Flush()
	bad.Flush()
	return errors.Join(good.Error(), bad.Error())
}

// end snippet

func Example_convert() {
	from := strings.NewReader("tea,2.40\ncake,free\njam,3.15\n")
	out := csv.NewWriter(os.Stdout)
	fmt.Println(convert(context.Background(), from, out, out))
	// Output:
	// tea,240
	// cake,free,"strconv.ParseFloat: parsing ""free"": invalid syntax"
	// jam,315
	// <nil>
}

type (
	page  string
	index string
)

func get(ctx context.Context, url string) (page, error) {
	if url == "/missing" {
		return "", errors.New("404 Not Found")
	}
	time.Sleep(time.Second)
	return page(url), context.Cause(ctx)
}

func read(_ context.Context, p page) (index, error) {
	time.Sleep(time.Second)
	return index(p), nil
}

func TestStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var added []index
		add := func(i index) { added = append(added, i) }
		// snippet: three stages
		stages := func(ctx context.Context, urls iter.Seq[string]) error {
			pages := pool.Map(ctx, 8, urls, get)      // 8 requests at once
			indexes := pool.Then(ctx, 2, pages, read) // 2 processors
			for i, err := range indexes {
				if err != nil {
					return err // here all stages have ended
				}
				add(i)
			}
			return nil
		}
		// end snippet
		started := time.Now()
		require.NoError(t, stages(ctx, slices.Values([]string{"/a", "/b", "/c", "/d"})))
		require.Equal(t, []index{"/a", "/b", "/c", "/d"}, added)
		require.Equal(t, 3*time.Second, time.Since(started))
		added = nil
		require.EqualError(t, stages(ctx, slices.Values([]string{"/a", "/missing", "/c"})), "404 Not Found")
		require.Equal(t, []index{"/a"}, added)
	})
}

// snippet: results as an input without errors
func values[T any](results iter.Seq2[T, error], failed *error) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v, err := range results {
			if err != nil {
				*failed = err
				return
			}
			if !yield(v) {
				return
			}
		}
	}
}

// end snippet

func TestValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		save := func(pages []page) error { sizes = append(sizes, len(pages)); return nil }
		// snippet: batches of results
		inBatches := func(ctx context.Context, urls iter.Seq[string]) error {
			var failed error
			pages := values(pool.Map(ctx, 8, urls, get), &failed)
			for batch := range pool.Chunk(ctx, pages, 3, time.Second) {
				if err := save(batch); err != nil {
					return err
				}
			}
			return failed // written by an input that has ended
		}
		// end snippet
		require.NoError(t, inBatches(t.Context(), slices.Values([]string{"/a", "/b", "/c", "/d"})))
		require.Equal(t, []int{3, 1}, sizes)
		require.EqualError(t, inBatches(t.Context(), slices.Values([]string{"/a", "/missing"})), "404 Not Found")
		require.Equal(t, []int{3, 1, 1}, sizes)
	})
}

func TestMergedLogs(t *testing.T) {
	logs := [][]string{{"a", "b"}, {"c"}}
	n := 0
	show := func(string) { n++ }
	// snippet: inputs as they come
	follow := func(ctx context.Context, logs [][]string) {
		var inputs []iter.Seq[string]
		for _, log := range logs {
			inputs = append(inputs, slices.Values(log))
		}
		for line := range pool.Merge(ctx, inputs...) {
			show(line)
		}
	}
	// end snippet
	follow(t.Context(), logs)
	require.Equal(t, 3, n)
}

func TestDrainAPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		urls := slices.Values(slices.Repeat([]string{"/a"}, 100))
		n := 0
		save := func(page) { n++ }
		// snippet: finish what has begun
		untilStopped := func(ctx context.Context, urls iter.Seq[string]) error {
			until := func(yield func(string) bool) {
				for url := range urls {
					if ctx.Err() != nil || !yield(url) {
						return
					}
				}
			}
			for page, err := range pool.Map(context.WithoutCancel(ctx), 8, until, get) {
				if err != nil {
					return err
				}
				save(page)
			}
			return nil
		}
		// end snippet
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		require.NoError(t, untilStopped(ctx, urls))
		require.Positive(t, n)
		require.Less(t, n, 100)
		require.Zero(t, n%8)
	})
}

func TestPartial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// snippet: what is there when the time is up
		within := func(ctx context.Context, limit time.Duration, urls iter.Seq[string]) (pages []page, complete bool) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			for page, err := range pool.MapUnordered(ctx, 2, urls, get) {
				if err != nil {
					return pages, false
				}
				pages = append(pages, page)
			}
			return pages, true
		}
		// end snippet
		pages, complete := within(t.Context(), 2500*time.Millisecond, slices.Values([]string{"/a", "/b", "/c", "/d", "/e"}))
		require.Len(t, pages, 4)
		require.False(t, complete)
		// snippet: each part by itself
		front := func(ctx context.Context) (news, weather page) {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			group.Run(func(g *group.Group) {
				n := group.Fork(g, func() (page, error) { return get(ctx, "/news") })
				w := group.Fork(g, func() (page, error) { return get(ctx, "/missing") })
				news = orElse(n, "no news")
				weather = orElse(w, "no weather")
			})
			return news, weather
		}
		// end snippet
		news, weather := front(t.Context())
		require.Equal(t, []page{"/news", "no weather"}, []page{news, weather})
	})
}

// snippet: a result, or what stands for it
func orElse[T any](f *core.Future[T], otherwise T) T {
	if v, err := f.Get(); err == nil {
		return v
	}
	return otherwise
}

// end snippet

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shown []int64
		show := func(done int64) { shown = append(shown, done) }
		// snippet: progress
		all := func(ctx context.Context, urls iter.Seq[string]) (err error) {
			var done atomic.Int64
			group.Run(func(g *group.Group) { // which ends the background task when the others have ended
				g.Background(ctx, func(ctx context.Context) {
					for every := time.Tick(time.Second); ; {
						select {
						case <-every:
							show(done.Load())
						case <-ctx.Done():
							return
						}
					}
				})
				err = pool.Each(ctx, 8, urls, func(ctx context.Context, url string) error {
					_, err := get(ctx, url)
					done.Add(1)
					return err
				})
			})
			return err
		}
		// end snippet
		require.NoError(t, all(t.Context(), func(yield func(string) bool) {
			time.Sleep(time.Millisecond)
			slices.Values(slices.Repeat([]string{"/a"}, 24))(yield)
		}))
		require.Equal(t, []int64{0, 8, 16}, shown)
	})
}
