package pool_test

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
	"time"

	"github.com/coterie-go/coterie/pool"
)

// Rows of a CSV file are converted by four workers and written in their order. A row that
// cannot be converted goes to another file with the reason, and does not stop the others; a
// file that cannot be read does.
func Example_csv() {
	type row []string
	read := func(r io.Reader) iter.Seq2[row, error] {
		return func(yield func(row, error) bool) {
			lines := csv.NewReader(r)
			for {
				line, err := lines.Read()
				if err == io.EOF || !yield(line, err) {
					return
				}
			}
		}
	}
	toCents := func(_ context.Context, in row) (row, error) {
		price, err := strconv.ParseFloat(in[1], 64)
		if err != nil {
			return nil, err
		}
		return row{in[0], strconv.Itoa(int(100*price + 0.5))}, nil
	}
	convert := func(ctx context.Context, from io.Reader, good, bad *csv.Writer) error {
		for row, err := range pool.Then(ctx, 4, read(from), pool.Keep(toCents)) {
			switch {
			case err != nil:
				return err
			case row.Err != nil:
				err = bad.Write(append(row.In, row.Err.Error()))
			default:
				err = good.Write(row.Out)
			}
			if err != nil {
				return err
			}
		}
		good.Flush()
		bad.Flush()
		return errors.Join(good.Error(), bad.Error())
	}

	from := strings.NewReader("tea,2.40\ncake,free\njam,3.15\n")
	err := convert(context.Background(), from, csv.NewWriter(os.Stdout), csv.NewWriter(os.Stdout))
	fmt.Println(err)
	// Output:
	// tea,240
	// jam,315
	// cake,free,"strconv.ParseFloat: parsing ""free"": invalid syntax"
	// <nil>
}

// Rows go to a database when there are a hundred of them, or a tenth of a second after the first.
func ExampleChunk() {
	inserted := make(chan int, 10)
	insert := func(_ context.Context, rows []int) error { // one statement for all
		inserted <- len(rows)
		return nil
	}
	var rows iter.Seq[int] = func(yield func(int) bool) {
		for row := range 250 {
			if !yield(row) {
				return
			}
		}
		fmt.Println(<-inserted, <-inserted)
		fmt.Println(<-inserted) // without a time these would wait for 50 more
		yield(250)
	}
	ctx := context.Background()
	for chunk := range pool.Chunk(ctx, rows, 100, 100*time.Millisecond) {
		if err := insert(ctx, chunk); err != nil {
			fmt.Println(err)
			break
		}
	}
	fmt.Println(<-inserted)
	// Output:
	// 100 100
	// 50
	// 1
}

// Two batches are written at a time, while the next is collected.
func ExampleChunk_workers() {
	insert := func(_ context.Context, rows []int) error { return nil }
	rows := slices.Values(make([]int, 1000))
	ctx := context.Background()
	err := pool.Each(ctx, 2, pool.Chunk(ctx, rows, 100, time.Second), insert)
	fmt.Println(err)
	// Output: <nil>
}

// Lines of several logs, as they come.
func ExampleMerge() {
	web := slices.Values([]string{"web: started", "web: stopped"})
	db := slices.Values([]string{"db: started", "db: stopped"})
	var lines []string
	for line := range pool.Merge(context.Background(), web, db) {
		lines = append(lines, line)
	}
	fmt.Println(slices.Index(lines, "web: started") < slices.Index(lines, "web: stopped"), len(lines))
	// Output: true 4
}
