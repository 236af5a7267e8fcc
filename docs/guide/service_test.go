package guide_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/docs/internal/shown"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group/service"
)

// A table is a database of one number.
type table struct {
	closed atomic.Bool
	rows   atomic.Int32
}

func (db *table) insert(t *testing.T) {
	if db.closed.Load() {
		t.Error("a row for a table that is closed")
	}
	db.rows.Add(1)
}

// snippet: all stop at once
func (db *table) serve(ctx context.Context) error {
	<-ctx.Done()
	db.closed.Store(true)
	return nil
}

func takeOrders(ctx context.Context, t *testing.T, db *table) error {
	<-ctx.Done()
	time.Sleep(time.Second) // the orders that are under way
	db.insert(t)
	return nil
}

func TestBugAllStopAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var db table
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return db.serve(ctx) })
		g.Go(func() error { return takeOrders(ctx, t, &db) })
		_ = g.Wait()
	})
}

// end snippet

func TestServiceOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var db table
		// snippet: services
		err := service.Run(ctx, service.Options{Name: "shop", Grace: 10 * time.Second},
			service.Service{Name: "db", Run: func(ctx context.Context, ready func()) error {
				ready() // it can be used from here on
				return db.serve(ctx)
			}},
			service.Service{Name: "orders", After: []string{"db"}, Run: func(ctx context.Context, ready func()) error {
				ready()
				return takeOrders(ctx, t, &db)
			}},
		)
		// end snippet
		require.NoError(t, err)
		require.EqualValues(t, 1, db.rows.Load())
	})
}

func TestServiceSignals(t *testing.T) {
	ctx := t.Context()
	var services []service.Service
	// snippet: signals
	err := service.Run(ctx, service.Options{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}, services...)
	// end snippet
	require.NoError(t, err)
}

func TestServiceStuck(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "service.txt"))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		disk := make(chan []byte)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		// snippet: a service that hangs
		indexer := service.Service{Name: "indexer", Run: func(ctx context.Context, ready func()) error {
			ready()
			readBlocks(disk) // whatever ctx says
			return nil
		}}
		err := service.Run(ctx, service.Options{Name: "shop", Grace: 10 * time.Second}, indexer)
		// end snippet
		shown.Compare(t, string(want), err.Error()+"\n")
		close(disk)
	})
}

func Example_serviceRestart() {
	attempt := 0
	dial := func(context.Context) error {
		if attempt++; attempt < 3 {
			return fmt.Errorf("attempt %d: connection refused", attempt)
		}
		return nil
	}

	// snippet: a restart
	feed := service.Service{
		Name: "feed",
		Run:  func(ctx context.Context, ready func()) error { return dial(ctx) },
		Restart: service.Restart{
			Max: 5, Within: time.Minute, // one more within a minute is a failure like any other
			Backoff: func(attempt int) time.Duration { return time.Millisecond << attempt },
		},
	}
	err := service.Run(context.Background(), service.Options{Observe: func(e service.Event) {
		if e.Kind == service.Failed {
			fmt.Println(e.Service, e.Err)
		}
	}}, feed)
	// end snippet
	fmt.Println(err)
	// Output:
	// feed attempt 1: connection refused
	// feed attempt 2: connection refused
	// <nil>
}
