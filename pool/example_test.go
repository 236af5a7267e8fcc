package pool_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/coterie-go/coterie/pool"
)

func ExampleFor() {
	squares := make([]int, 1000)
	err := pool.For(context.Background(), 0, len(squares), func(ctx context.Context, i int) error {
		squares[i] = i * i
		return nil
	})
	fmt.Println(squares[999], err)
	// Output: 998001 <nil>
}

func ExampleMapSlice() {
	words := []string{"every", "goroutine", "has", "an", "owner"}
	lengths, err := pool.MapSlice(context.Background(), 4, words,
		func(ctx context.Context, word string) (int, error) { return len(word), nil })
	fmt.Println(lengths, err)
	// Output: [5 9 3 2 5] <nil>
}

func ExampleEach() {
	var total atomic.Int64
	lines := strings.SplitSeq("3 4 5", " ")
	err := pool.Each(context.Background(), 2, lines, func(ctx context.Context, line string) error {
		var n int64
		if _, err := fmt.Sscan(line, &n); err != nil {
			return err
		}
		total.Add(n)
		return nil
	})
	fmt.Println(total.Load(), err)
	// Output: 12 <nil>
}

// Results come in the order of the input. Leaving the loop ends everything that it
// has started.
func ExampleMap() {
	var numbers iter.Seq[int] = func(yield func(int) bool) { // without end
		defer fmt.Println("the input has been stopped")
		for n := 1; yield(n); n++ {
		}
	}
	square := func(ctx context.Context, n int) (int, error) { return n * n, nil }
	for square, err := range pool.Map(context.Background(), 4, numbers, square) {
		if err != nil || square > 20 {
			break
		}
		fmt.Println(square)
	}
	// Output:
	// 1
	// 4
	// 9
	// 16
	// the input has been stopped
}

// An error comes after the results of the items before it, and ends the sequence.
func ExampleMap_error() {
	parse := func(ctx context.Context, s string) (n int, err error) {
		_, err = fmt.Sscan(s, &n)
		return n, err
	}
	for n, err := range pool.Map(context.Background(), 4, slices.Values([]string{"1", "x", "3"}), parse) {
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 0 expected integer
}

// Results come as they are finished.
func ExampleMapUnordered() {
	first := make(chan struct{})
	wait := func(ctx context.Context, name string) (string, error) {
		if name == "slow" {
			<-first
		}
		return name, nil
	}
	names := slices.Values([]string{"slow", "quick"})
	for name, err := range pool.MapUnordered(context.Background(), 2, names, wait) {
		fmt.Println(name, err)
		if name == "quick" {
			close(first)
		}
	}
	// Output:
	// quick <nil>
	// slow <nil>
}

// A task may wait for tasks of its own pool, to any depth on a single worker, if it
// starts them with the context that it was given.
func ExampleBatch() {
	p := pool.New(1, pool.Options{})
	defer p.Close()
	var fibonacci func(ctx context.Context, n int) int
	fibonacci = func(ctx context.Context, n int) int {
		if n < 2 {
			return n
		}
		var a, b int
		batch := p.Batch(ctx)
		err := batch.GoContext(ctx, func(ctx context.Context) { a = fibonacci(ctx, n-1) })
		if err == nil {
			err = batch.GoContext(ctx, func(ctx context.Context) { b = fibonacci(ctx, n-2) })
		}
		batch.Wait() // runs what no worker has begun
		if err != nil || batch.Err() != nil {
			return 0 // ctx is done
		}
		return a + b
	}
	fmt.Println(fibonacci(context.Background(), 10))
	// Output: 55
}

// Rows that are no numbers are kept, and the others are added.
func ExampleKeep() {
	parse := func(_ context.Context, row string) (int, error) { return strconv.Atoi(row) }
	rows := slices.Values([]string{"1", "two", "3"})
	sum := 0
	for row, err := range pool.Map(context.Background(), 2, rows, pool.Keep(parse)) {
		switch {
		case err != nil: // only the context's
			fmt.Println(err)
		case row.Err != nil:
			fmt.Println("bad row:", row.In)
		default:
			sum += row.Out
		}
	}
	fmt.Println(sum)
	// Output:
	// bad row: two
	// 4
}

// Two stages: an error of the first is the last that the second yields.
func ExampleThen() {
	ctx := context.Background()
	rows := slices.Values([]string{"1", "2", "x", "4"})
	numbers := pool.Map(ctx, 2, rows, func(_ context.Context, row string) (int, error) { return strconv.Atoi(row) })
	for square, err := range pool.Then(ctx, 2, numbers, func(_ context.Context, n int) (int, error) { return n * n, nil }) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(square)
	}
	// Output:
	// 1
	// 4
	// strconv.Atoi: parsing "x": invalid syntax
}

func ExampleThenUnordered() {
	ctx := context.Background()
	numbers := pool.Map(ctx, 2, slices.Values([]int{1, 2, 3}), func(_ context.Context, n int) (int, error) { return n, nil })
	sum := 0
	for square, err := range pool.ThenUnordered(ctx, 2, numbers, func(_ context.Context, n int) (int, error) { return n * n, nil }) {
		if err != nil {
			fmt.Println(err)
			break
		}
		sum += square
	}
	fmt.Println(sum)
	// Output: 14
}
