package guide_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	xsync "golang.org/x/sync/errgroup"

	"github.com/coterie-go/coterie/docs/internal/shown"
	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group/grouptest"
	"github.com/coterie-go/coterie/group/tree"
)

// snippet: a service that hangs
func copyPages(ctx context.Context, mirror <-chan string, index func(page string) error) error {
	g, _ := xsync.WithContext(ctx)
	for range 3 {
		g.Go(func() error { return index(<-mirror) })
	}
	g.Go(func() error { return index("front page") })
	return g.Wait()
}

func TestBugHungService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("the index is full")
		_ = copyPages(t.Context(), make(chan string), func(string) error { return full })
	})
}

// end snippet

// snippet: a service with names
func copyNamed(ctx context.Context, mirror <-chan string, index func(page string) error) error {
	return errgroup.RunWith(ctx, errgroup.Options{Name: "shop"}, func(ctx context.Context, g *errgroup.Group) error {
		for range 3 {
			g.GoNamed("copy", func() error { return index(<-mirror) })
		}
		g.GoNamed("index", func() error { return index("front page") })
		return nil
	})
}

// end snippet

func TestDoing(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "doing.txt"))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("the index is full")
		mirror := make(chan string)
		ended := make(chan error)
		go func() { ended <- copyNamed(t.Context(), mirror, func(string) error { return full }) }()
		time.Sleep(12 * time.Second)
		var text strings.Builder
		require.NoError(t, tree.Write(&text, tree.Options{Path: "shop"}))
		shown.Compare(t, string(want), text.String())
		close(mirror)
		require.ErrorIs(t, <-ended, full)
	})
}

func TestDoingPage(t *testing.T) {
	// snippet: the page
	mux := http.NewServeMux()
	mux.Handle("/debug/coterie/", tree.Handler())
	// end snippet
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/debug/coterie/?path=shop/", nil))
	require.Equal(t, http.StatusOK, w.Code)
}

// snippet: a test that says what it is doing
func TestCopy(t *testing.T) {
	grouptest.NoLeaks(t)
	grouptest.Patience(t, 5*time.Second)
	mirror := make(chan string, 3)
	for range 3 {
		mirror <- "page"
	}
	require.NoError(t, copyNamed(t.Context(), mirror, func(string) error { return nil }))
}

// end snippet
