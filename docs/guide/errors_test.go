package guide_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/pool"
)

// snippet: one variable for all
func removeAll(remove func(file string) error, files ...string) error {
	var wg sync.WaitGroup
	var err error
	for _, file := range files {
		wg.Go(func() {
			err = remove(file)
		})
	}
	wg.Wait()
	return err
}

func TestBugErrorLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := removeAll(func(file string) error {
			if file == "locked" {
				return errors.New("permission denied")
			}
			time.Sleep(time.Second) // a large file
			return nil
		}, "locked", "large")
		if err == nil {
			t.Error("no error, and a file that was not removed")
		}
	})
}

// end snippet

var errDenied = errors.New("permission denied")

func remove(file string) error {
	switch file {
	case "locked", "private":
		return errDenied
	}
	time.Sleep(time.Second)
	return nil
}

// snippet: an error each
func removeFiles(ctx context.Context, files ...string) error {
	return errgroup.Run(ctx, func(ctx context.Context, g *errgroup.Group) error {
		for _, file := range files {
			g.Go(func() error { return remove(file) })
		}
		return nil
	})
}

// end snippet

func TestRemoveFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, errDenied, removeFiles(t.Context(), "locked", "large"))
		require.NoError(t, removeFiles(t.Context(), "small", "large"))
	})
}

func TestFailFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		// snippet: fail fast
		errFull := errors.New("disk full")
		err := errgroup.Run(t.Context(), func(ctx context.Context, g *errgroup.Group) error {
			g.Go(func() error {
				select {
				case <-time.After(time.Hour):
					return nil
				case <-ctx.Done():
					return fmt.Errorf("copy: %w", context.Cause(ctx))
				}
			})
			g.Go(func() error {
				time.Sleep(time.Second)
				return errFull
			})
			return nil
		})
		require.Equal(t, errFull, err)
		// end snippet
		require.Equal(t, time.Second, time.Since(started))
	})
}

func Example_collect() {
	ctx := context.Background()
	// snippet: collect
	checks := map[string]func() error{
		"name":  func() error { return nil },
		"email": func() error { return errors.New("no @ in it") },
		"age":   func() error { return errors.New("negative") },
	}
	err := errgroup.RunWith(ctx, errgroup.Options{Name: "signup", Collect: true},
		func(ctx context.Context, g *errgroup.Group) error {
			for _, field := range []string{"name", "email", "age"} {
				g.GoNamed(field, checks[field])
			}
			return nil
		})
	for _, err := range multierr.Errors(err) {
		fmt.Println(err)
	}
	// end snippet
	// Output:
	// signup/email: no @ in it
	// signup/age: negative
}

func Example_maxErrors() {
	ctx := context.Background()
	// snippet: max errors
	opts := errgroup.Options{Collect: true, MaxErrors: 2}
	err := errgroup.RunWith(ctx, opts, func(ctx context.Context, g *errgroup.Group) error {
		for i := range 1000 {
			g.Go(func() error { return fmt.Errorf("row %d: no price", i) })
		}
		return nil
	})
	fmt.Println(err)
	// end snippet
	// Output: row 0: no price; row 1: no price; and 998 more errors
}

func TestParentCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// snippet: both show
		errBroken := errors.New("checksum mismatch")
		parent, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := errgroup.Run(parent, func(ctx context.Context, g *errgroup.Group) error {
			g.Go(func() error {
				<-ctx.Done()
				return context.Cause(ctx) // only reports the time-out
			})
			g.Go(func() error {
				<-ctx.Done()
				return errBroken // fails for another reason
			})
			return nil
		})
		require.ErrorIs(t, err, errBroken)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		// end snippet
	})
}

func TestCompositions(t *testing.T) {
	price := func(ctx context.Context) (int, error) { return 3, nil }
	name := func(ctx context.Context) (string, error) { return "apple", nil }
	ctx := t.Context()
	{
		// snippet: all2
		n, s, err := errgroup.All2(ctx, price, name)
		// end snippet
		require.NoError(t, err)
		require.Equal(t, 3, n)
		require.Equal(t, "apple", s)
	}
	{
		// snippet: gather
		prices, err := errgroup.Gather(ctx, price, price, price)
		// end snippet
		require.NoError(t, err)
		require.Equal(t, []int{3, 3, 3}, prices)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		started := time.Now()
		server := func(name string, after time.Duration) func(ctx context.Context) (string, error) {
			return func(ctx context.Context) (string, error) {
				select {
				case <-time.After(after):
					return name, nil
				case <-ctx.Done():
					return "", context.Cause(ctx)
				}
			}
		}
		slow, quick, third := server("slow", time.Minute), server("quick", time.Second), server("third", 2*time.Second)
		// snippet: race and quorum
		first, err := errgroup.Race(ctx, errgroup.RaceOptions[string]{Stagger: time.Second}, slow, quick)
		// end snippet
		require.NoError(t, err)
		require.Equal(t, "quick", first)
		require.Equal(t, 2*time.Second, time.Since(started))
		// snippet: quorum
		two, err := errgroup.Quorum(ctx, 2, errgroup.RaceOptions[string]{}, slow, quick, third)
		// end snippet
		require.NoError(t, err)
		require.Equal(t, "quick third", strings.Join(two, " "))
		require.Equal(t, 4*time.Second, time.Since(started))
	})
}

func Example_keep() {
	ctx := context.Background()
	fetch := func(ctx context.Context, url string) (string, error) {
		if url == "b" {
			return "", errors.New("no such page")
		}
		return "page " + url, nil
	}
	urls := []string{"a", "b", "c"}
	// snippet: keep
	results, err := pool.MapSlice(ctx, 2, urls, pool.Keep(fetch))
	if err != nil {
		return // ctx is done
	}
	for _, r := range results {
		fmt.Printf("%s: %q, %v\n", r.In, r.Out, r.Err)
	}
	// end snippet
	// Output:
	// a: "page a", <nil>
	// b: "", no such page
	// c: "page c", <nil>
}

func Example_settle() {
	ctx := context.Background()
	price := func(ctx context.Context) (int, error) { return 3, nil }
	broken := func(ctx context.Context) (int, error) { return 0, errors.New("no answer") }
	// snippet: settle
	for _, o := range errgroup.Settle(ctx, price, broken, price) {
		fmt.Println(o.Value, o.Err)
	}
	// end snippet
	// Output:
	// 3 <nil>
	// 0 no answer
	// 3 <nil>
}
