package tree_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/group"
	"github.com/coterie-go/coterie/group/tree"
)

func ask(method, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	tree.Handler().ServeHTTP(w, httptest.NewRequest(method, "/debug/coterie/"+query, nil))
	return w
}

func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := group.New(group.Options{Name: "<b>shop</b>", Limit: 2})
		for range 2 {
			g.GoNamed("cart \x1b[31m", func() { fetch(release) })
		}
		time.Sleep(3 * time.Second)

		// The page.
		w := ask("GET", "")
		require.Equal(t, 200, w.Code)
		require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
		require.Regexp(t, `^default-src 'none'; style-src 'sha256-[^' ]+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$`,
			w.Header().Get("Content-Security-Policy"))
		body := w.Body.String()
		require.Contains(t, body, "&lt;b&gt;shop&lt;/b&gt;")
		require.NotContains(t, body, "<b>shop")
		require.NotContains(t, body, "\x1b")
		require.Contains(t, body, "2 × &#34;")
		require.Contains(t, body, "chan receive at tree_test.go:")
		require.Contains(t, body, "tree_test.fetch(")
		require.Contains(t, body, "2 running of 2")
		require.NotContains(t, body, "<script")
		require.NotContains(t, body, "http-equiv")
		require.NotContains(t, ask("GET", "?stacks=0").Body.String(), "<details>")
		require.Contains(t, ask("GET", "?refresh=5").Body.String(), `<meta http-equiv="refresh" content="5">`)
		require.Contains(t, ask("GET", "?path=nobody").Body.String(), "There is no owner with a name under nobody.")

		// Text and json.
		w = ask("GET", "?format=text&path=%3Cb%3Eshop%3C/b%3E")
		require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
		require.Contains(t, w.Body.String(), "\n<b>shop</b>  group, open, 2 running of 2, ")
		w = ask("GET", "?format=json")
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		var s tree.Snapshot
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &s))
		require.Equal(t, tree.Version, s.Version)
		require.Contains(t, w.Body.String(), `"warnings": []`)

		// Head has no body, and other methods are refused.
		w = ask("HEAD", "")
		require.Equal(t, 200, w.Code)
		require.Zero(t, w.Body.Len())
		require.NotEqual(t, "0", w.Header().Get("Content-Length"))
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
			w := ask(method, "")
			require.Equal(t, http.StatusMethodNotAllowed, w.Code)
			require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
		}

		// Bad queries.
		for query, want := range map[string]string{
			"?format=xml": `format must be html, text or json, got "xml"`,
			"?refresh=0":  `refresh must be 1 to 3600 seconds, got "0"`,
			"?refresh=x":  `refresh must be 1 to 3600 seconds, got "x"`,
		} {
			w := ask("GET", query)
			require.Equal(t, http.StatusBadRequest, w.Code)
			require.Equal(t, want, strings.TrimSpace(w.Body.String()))
		}

		close(release)
		g.Wait()
	})
}

func TestStacksOfManyFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g := group.New(group.Options{Name: "deep"})
		for range 400 {
			g.Go(func() { deep(100, func() { <-release }) })
		}
		synctest.Wait()
		s := tree.Take()
		close(release)
		g.Wait()
		require.Regexp(t, `^stacks: those of 4\d\d goroutines have 4\d{4} frames, more than 30000$`, s.LeftOut)
	})
}

// Stacks are read at most once a second, and not of too many goroutines.
func TestStacks(t *testing.T) {
	if raceBuild {
		t.Skip("the race detector allows some 8000 goroutines")
	}
	release := make(chan struct{})
	g := group.New(group.Options{Name: "crowd"})
	var all sync.WaitGroup
	tasks := child.Many(10_000, 100_000)
	all.Add(tasks)
	for range tasks {
		g.Go(func() { all.Done(); <-release })
	}
	all.Wait()
	began := time.Now()
	s := tree.Take()
	took := time.Since(began)
	close(release)
	g.Wait()
	for runtime.NumGoroutine() > tasks/100 {
		runtime.Gosched()
	}
	// While the collector frees their stacks, the runtime counts goroutines that have ended.
	runtime.GC()

	t.Logf("with %d tasks Take has taken %v", tasks, took) // no promise of a test
	require.Regexp(t, `^stacks: there are 100\d+ goroutines, more than 2500$`, s.LeftOut)
	for _, o := range s.Owners {
		if o.Path == "crowd" {
			require.Equal(t, tasks, o.Running)
		}
	}
}
