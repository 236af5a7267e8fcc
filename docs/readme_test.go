package docs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/pool"
)

// The README's examples stand here, between what they need to run. A test
// compares the two.

var ctx = context.Background()

func Example_group() {
	var bytes atomic.Int64
	group.Run(func(g *group.Group) {
		for _, line := range []string{"every goroutine", "has", "an owner"} {
			g.Go(func() { bytes.Add(int64(len(line))) })
		}
	}) // every task has ended; had one panicked, Run would raise that here
	fmt.Println(bytes.Load(), "bytes")
	// Output: 26 bytes
}

func Example_errgroup() {
	fetch := func(ctx context.Context, what string) error {
		if what == "stock" {
			return errors.New("connection refused")
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}

	err := errgroup.Run(ctx, func(ctx context.Context, g *errgroup.Group) error {
		g.GoNamed("prices", func() error { return fetch(ctx, "prices") }) // is cancelled
		g.GoNamed("stock", func() error { return fetch(ctx, "stock") })   // fails
		return nil
	})
	fmt.Println(err)
	// Output: stock: connection refused
}

func Example_pool() {
	fetch := func(ctx context.Context, url string) (int, error) { return len(url), nil }

	urls := slices.Values([]string{"go.dev/a", "go.dev/ab", "go.dev/abc", "go.dev/abcd"})
	for size, err := range pool.Map(ctx, 8, urls, fetch) { // 8 at a time, in order
		if err != nil || size > 9 {
			break // cancels what still runs, and waits for it
		}
		fmt.Println(size)
	}
	// Output:
	// 8
	// 9
}

func Example_core() {
	resize := func(int64) error { return nil }

	memory := core.NewSemaphore(64) // megabytes, for all that goes on at a time
	thumbnail := func(ctx context.Context, megabytes int64) error {
		if err := memory.Acquire(ctx, megabytes); err != nil {
			return err // ctx ended while we were waiting
		}
		defer memory.Release(megabytes)
		return resize(megabytes)
	}
	fmt.Println(thumbnail(ctx, 48), errors.Is(thumbnail(ctx, 65), core.ErrWeight))
	// Output: <nil> true
}

func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)

	t.Run("its examples are those that are run here", func(t *testing.T) {
		source, err := os.ReadFile("readme_test.go")
		require.NoError(t, err)
		blocks := regexp.MustCompile("(?s)\n```go\n(.*?)```").FindAllSubmatch(readme, -1)
		require.Len(t, blocks, 4)
		for _, block := range blocks {
			code := strings.ReplaceAll("\n"+strings.TrimSpace(string(block[1])), "\n", "\n\t")
			require.Contains(t, string(source), strings.ReplaceAll(code, "\n\t\n", "\n\n"))
		}
	})

	t.Run("what it links to is there", func(t *testing.T) {
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`).FindAllSubmatch(readme, -1) {
			if target := string(link[1]); !strings.Contains(target, "://") {
				_, err := os.Stat(filepath.Join("..", filepath.FromSlash(target)))
				require.NoError(t, err)
			}
		}
	})
}
