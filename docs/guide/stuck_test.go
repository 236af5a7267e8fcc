package guide_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/docs/internal/shown"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group"
)

// snippet: a forgotten done
func lookUp(hosts []string, resolve func(string) (string, error)) map[string]string {
	var mu sync.Mutex
	addresses := make(map[string]string)
	var wg sync.WaitGroup
	for _, host := range hosts {
		wg.Add(1)
		go func() {
			address, err := resolve(host)
			if err != nil {
				return
			}
			mu.Lock()
			addresses[host] = address
			mu.Unlock()
			wg.Done()
		}()
	}
	wg.Wait()
	return addresses
}

func TestBugForgottenDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lookUp([]string{"a", "b"}, func(host string) (string, error) {
			if host == "b" {
				return "", errors.New("no such host")
			}
			return "127.0.0.1", nil
		})
	})
}

// end snippet

// snippet: named tasks
func readBlocks(disk <-chan []byte) { <-disk }

func shutDown(ctx context.Context, disk <-chan []byte) error {
	g := group.New(group.Options{Name: "indexer"})
	g.GoNamed("metrics", func() { time.Sleep(time.Second) })
	for range 2 {
		g.GoNamed("reader", func() { readBlocks(disk) })
	}
	return g.WaitContext(ctx)
}

// end snippet

func TestStuckReport(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "stuck.txt"))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		disk := make(chan []byte)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := shutDown(ctx, disk)
		shown.Compare(t, string(want), err.Error()+"\n")

		// snippet: look into a stuck error
		var stuck *core.StuckError
		require.ErrorAs(t, err, &stuck)
		require.Equal(t, 2, stuck.Running)
		require.Equal(t, "indexer/reader", stuck.Tasks[0].Name)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		// end snippet
		close(disk)
	})
}

func TestLabels(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "labels.txt"))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		disk := make(chan []byte)
		g := group.New(group.Options{Name: "indexer"})
		g.GoNamed("reader", func() { readBlocks(disk) })
		synctest.Wait()
		var profile strings.Builder
		// snippet: labels
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
		// end snippet
		shown.Compare(t, string(want), profile.String())
		close(disk)
		g.Wait()
	})
}

func TestNestedNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// snippet: names nest
		fetching := make(chan struct{})
		outer, ctx := errgroup.New(t.Context(), errgroup.Options{Name: "ingest"})
		inner, _ := errgroup.New(ctx, errgroup.Options{Name: "fetch"})
		inner.GoNamed("page 7", func() error { <-fetching; return nil })

		patience, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var stuck *core.StuckError
		require.ErrorAs(t, inner.WaitContext(patience), &stuck)
		require.Equal(t, "ingest/fetch/page 7", stuck.Tasks[0].Name)
		// end snippet
		close(fetching)
		require.NoError(t, inner.Wait())
		require.NoError(t, outer.Wait())
	})
}
