package browser

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/group/tree"
	"github.com/coterie-go/coterie/pool"
)

var update = flag.Bool("update", false, "make the guide's picture, and the words that are on it, afresh")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hangs starts what the guide's page is about: a shop that was told to stop, and hangs.
func hangs(t *testing.T) {
	mirror, mails := make(chan string), make(chan string)
	full := errors.New("the index is full")
	p := pool.New(2, pool.Options{Name: "mail", Queue: 8})
	for range 5 {
		p.Go(func() { <-mails })
	}
	ended := make(chan error)
	go func() {
		ended <- errgroup.RunWith(context.Background(), errgroup.Options{Name: "shop"}, func(ctx context.Context, g *errgroup.Group) error {
			for range 3 {
				g.GoNamed("copy", func() error { return copyPage(mirror) })
			}
			g.GoNamed("index", func() error { return full })
			return g.GoContext(ctx, func(ctx context.Context) error {
				return errgroup.RunWith(ctx, errgroup.Options{Name: "images", Limit: 4}, func(ctx context.Context, g *errgroup.Group) error {
					g.GoNamed("scale <large>", func() error { return copyPage(mirror) })
					return nil
				})
			})
		})
	}()
	t.Cleanup(func() {
		close(mirror)
		close(mails)
		require.ErrorIs(t, <-ended, full)
		p.Close()
	})
	for len(tree.Take().Warnings) < 2 { // they come when a second has passed
		runtime.Gosched()
	}
}

func copyPage(mirror <-chan string) error {
	<-mirror
	return nil
}

// words returns what is on the page, without what differs from run to run.
func (b *tab) words() string {
	text := eval[string](b, `document.body.innerText`)
	text = regexp.MustCompile(`\d+ (ms|s|min)\b`).ReplaceAllString(text, "N s")
	text = regexp.MustCompile(`at \d{4}-.*`).ReplaceAllString(text, "at TIME")
	text = regexp.MustCompile(`(\w+\.go):\d+`).ReplaceAllString(text, "$1:N")
	return regexp.MustCompile(`goroutine \d+`).ReplaceAllString(text, "goroutine N") + "\n"
}

func TestPage(t *testing.T) {
	b := open(t)
	hangs(t)
	var requests atomic.Int64
	handler := tree.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/debug/coterie/" {
			requests.Add(1)
			handler.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent) // the browser asks for an icon
	}))
	defer server.Close()
	page := server.URL + "/debug/coterie/"

	background := make(map[string]string)
	for _, width := range []int{400, 1200} {
		for _, scheme := range []string{"light", "dark"} {
			b.show(page, width, scheme)
			require.Equal(t, width, eval[int](b, `innerWidth`))
			require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), width, "it does not fit into %d pixels", width)
			background[scheme] = eval[string](b, `getComputedStyle(document.body).backgroundColor`)
			require.NotEqual(t, background[scheme], eval[string](b, `getComputedStyle(document.body).color`))
		}
	}
	require.Equal(t, map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}, background) // so the style is allowed

	// Equal tasks are one row, names are text, and stacks are shown on demand.
	words := b.words()
	require.Contains(t, words, "3 × shop/copy: chan receive at page_test.go:N")
	require.Contains(t, words, "shop/images/scale <large>: chan receive")
	require.NotContains(t, words, "browser.copyPage(")
	require.False(t, eval[bool](b, `document.querySelector(".owner pre").checkVisibility()`))
	b.click(".owner summary")
	require.True(t, eval[bool](b, `document.querySelector(".owner pre").checkVisibility()`))
	require.Contains(t, b.words(), "goroutine N [chan receive")

	// It works with the links alone.
	b.loaded = false
	eval[bool](b, `[...document.links].find(a => a.innerText == "shop/images").click() || true`)
	b.awaitLoad()
	require.NotContains(t, b.words(), "mail pool")
	require.Contains(t, b.words(), "shop/images errgroup")

	// It refreshes itself on request.
	before := requests.Load()
	b.show(page+"?refresh=1", 1200, "dark")
	b.loaded = false
	b.awaitLoad()
	require.GreaterOrEqual(t, requests.Load(), before+2)
	require.Empty(t, b.logged)

	// The guide's picture.
	b.show(page+"?stacks=1", 800, "dark")
	shot := b.picture(800)
	kept, list := filepath.Join("..", "guide", "page.png"), filepath.Join("testdata", "words")
	if *update {
		require.NoError(t, os.WriteFile(kept, shot, 0o644))
		require.NoError(t, os.WriteFile(list, []byte(b.words()), 0o644))
	}
	want, err := os.ReadFile(list)
	require.NoError(t, err)
	require.ElementsMatch(t, strings.Split(string(want), "\n"), strings.Split(b.words(), "\n"), "go test . -update makes the picture afresh")
	file, err := os.ReadFile(kept)
	require.NoError(t, err)
	require.Equal(t, width(t, file), width(t, shot))
}

func width(t *testing.T, picture []byte) int {
	config, err := png.DecodeConfig(bytes.NewReader(picture))
	require.NoError(t, err)
	return config.Width
}
