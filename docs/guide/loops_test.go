package guide_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/pool"
)

func scan(string) int { time.Sleep(time.Second); return 3 }

// snippet: a sender that stays
func scanAll(files []string) <-chan int {
	found := make(chan int)
	var wg sync.WaitGroup
	for _, file := range files {
		wg.Go(func() { found <- scan(file) })
	}
	go func() { wg.Wait(); close(found) }()
	return found
}

func infected(files []string) bool {
	for viruses := range scanAll(files) {
		if viruses > 0 {
			return true // the other results do not matter
		}
	}
	return false
}

func TestBugLeakedSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Log(infected([]string{"a", "b", "c"}))
	})
}

// end snippet

// snippet: a loop that ends
func infectedInLoop(ctx context.Context, files []string) (bool, error) {
	for viruses, err := range pool.Map(ctx, 8, slices.Values(files), scanContext) {
		if err != nil || viruses > 0 {
			return viruses > 0, err // every scan has ended
		}
	}
	return false, nil
}

// end snippet

func scanContext(ctx context.Context, file string) (int, error) {
	select {
	case <-time.After(time.Second):
		return len(file), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func TestInfected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is, err := infectedInLoop(t.Context(), []string{"a", "b", "c"})
		require.NoError(t, err)
		require.True(t, is)
	})
}

func TestMapTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		started := time.Now()
		// snippet: busy from the first item
		items := slices.Values(slices.Repeat([]string{"x"}, 80))
		slow := func(ctx context.Context, item string) (string, error) {
			time.Sleep(100 * time.Millisecond)
			return item, nil
		}
		n := 0
		//coterie:waiterr for the page: the body leaves the loop
		for range pool.Map(ctx, 8, items, slow) {
			n++
			if n == 8 {
				require.Equal(t, 100*time.Millisecond, time.Since(started))
			}
		}
		require.Equal(t, time.Second, time.Since(started))
		// end snippet
		require.Equal(t, 80, n)
	})
}

func Example_inputStops() {
	ctx := context.Background()
	// snippet: the input's defers
	pages := func(yield func(int) bool) {
		defer fmt.Println("connection closed")
		for page := 1; yield(page); page++ {
		}
	}
	double := func(ctx context.Context, page int) (int, error) { return 2 * page, nil }
	for result, err := range pool.Map(ctx, 2, pages, double) {
		if err != nil || result > 4 {
			break
		}
		fmt.Println(result)
	}
	fmt.Println("loop left")
	// end snippet
	// Output:
	// 2
	// 4
	// connection closed
	// loop left
}

func Example_errorInPlace() {
	ctx := context.Background()
	// snippet: the error in its place
	parse := func(ctx context.Context, s string) (int, error) {
		var n int
		if _, err := fmt.Sscan(s, &n); err != nil {
			return 0, errors.New("not a number: " + s)
		}
		return n, nil
	}
	for n, err := range pool.Map(ctx, 4, slices.Values([]string{"1", "2", "x", "4"}), parse) {
		fmt.Println(n, err)
	}
	// end snippet
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 0 not a number: x
}

func Example_for() {
	ctx := context.Background()
	// snippet: for
	squares := make([]int, 1000)
	err := pool.For(ctx, 0, len(squares), func(ctx context.Context, i int) error {
		squares[i] = i * i
		return nil
	})
	fmt.Println(squares[999], err)
	// end snippet
	// Output: 998001 <nil>
}

func Example_mapSlice() {
	ctx := context.Background()
	// snippet: map slice
	lengths, err := pool.MapSlice(ctx, 0, []string{"every", "goroutine", "has", "an", "owner"},
		func(ctx context.Context, s string) (int, error) { return len(s), nil })
	fmt.Println(lengths, err)
	// end snippet
	// Output: [5 9 3 2 5] <nil>
}

func TestEach(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[int]bool)
	save := func(_ context.Context, n int) error { mu.Lock(); defer mu.Unlock(); seen[n] = true; return nil }
	ctx := t.Context()
	var rows iter.Seq[int] = func(yield func(int) bool) {
		for n := range 100 {
			if !yield(n) {
				return
			}
		}
	}
	// snippet: each
	err := pool.Each(ctx, 4, rows, save)
	// end snippet
	require.NoError(t, err)
	require.Len(t, seen, 100)
}

func TestMapUnordered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		fetch := func(_ context.Context, d time.Duration) (time.Duration, error) { time.Sleep(d); return d, nil }
		urls := slices.Values([]time.Duration{3, 1, 2})
		var got []time.Duration
		// snippet: map unordered
		for page, err := range pool.MapUnordered(ctx, 4, urls, fetch) { // as they finish
			// end snippet
			require.NoError(t, err)
			got = append(got, page)
		}
		require.Equal(t, []time.Duration{1, 2, 3}, got)
	})
}
