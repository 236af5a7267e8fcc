package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A testSite counts who asks for what.
type testSite struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int // by method and path
}

func newTestSite(t *testing.T, pages map[string][]string) *testSite {
	s := &testSite{asked: make(map[string]int)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked[r.Method+" "+r.URL.Path]++
		s.mu.Unlock()
		links, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		page(w, links...)
	}))
	t.Cleanup(s.Close)
	return s
}

func crawl(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	var out, errs bytes.Buffer
	status = run(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

// A fakeWeb answers every request after 10 ms of fake time.
type fakeWeb struct {
	pages map[string][]string
	now   atomic.Int32
	most  atomic.Int32
	asked atomic.Int32
}

func (f *fakeWeb) RoundTrip(r *http.Request) (*http.Response, error) {
	n := f.now.Add(1)
	defer f.now.Add(-1)
	f.most.Store(max(f.most.Load(), n))
	f.asked.Add(1)
	time.Sleep(10 * time.Millisecond)
	w := httptest.NewRecorder()
	page(w, f.pages[r.URL.Path]...)
	response := w.Result()
	response.Request = r
	return response, nil
}

func TestCrawler(t *testing.T) {
	// crawlFake crawls from / and returns how much fake time that took.
	crawlFake := func(t *testing.T, web *fakeWeb, perHost, requests int) time.Duration {
		began := time.Now()
		c := newCrawler(&http.Client{Transport: web}, perHost, requests)
		require.Empty(t, c.crawl(t.Context(), []string{"http://a.test/"}))
		return time.Since(began)
	}

	t.Run("no host gets more requests at once than it should", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			web := &fakeWeb{pages: make(map[string][]string)}
			for i := range 300 {
				web.pages["/"] = append(web.pages["/"], fmt.Sprintf("/%d", i))
			}
			took := crawlFake(t, web, 3, 16)
			require.EqualValues(t, 3, web.most.Load())
			require.Equal(t, 1010*time.Millisecond, took)
		})
	})

	t.Run("all hosts together get no more than they should", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			web := &fakeWeb{pages: make(map[string][]string)}
			for i := range 300 {
				web.pages["/"] = append(web.pages["/"], fmt.Sprintf("http://host-%d.test/there", i))
			}
			took := crawlFake(t, web, 3, 10)
			require.EqualValues(t, 10, web.most.Load())
			require.Equal(t, 310*time.Millisecond, took)
		})
	})

	t.Run("those who want to know the same at once ask once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			web := &fakeWeb{pages: map[string][]string{"/": {"/1", "/2", "/3"}}}
			for i := range 3 {
				web.pages[fmt.Sprint("/", i+1)] = []string{"/same", "/"}
			}
			took := crawlFake(t, web, 8, 16)
			require.EqualValues(t, 5, web.asked.Load())
			require.Equal(t, 30*time.Millisecond, took)
		})
	})
}

func TestCrawl(t *testing.T) {
	t.Run("every broken link is reported and every address asked once", func(t *testing.T) {
		elsewhere := newTestSite(t, map[string][]string{"/there": {"/never-followed"}})
		site := newTestSite(t, map[string][]string{
			"/":  {"/a", "/b", "/gone", "mailto:someone@example.org", elsewhere.URL + "/there"},
			"/a": {"/", "/b#part", "/gone", "relative", elsewhere.URL + "/not-there"},
			"/b": {"/a#part", elsewhere.URL + "/there"},
		})
		status, stdout, stderr := crawl(t, site.URL+"/")
		require.Equal(t, 1, status)
		require.Empty(t, stderr)
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		require.Len(t, lines, 5)
		require.ElementsMatch(t, []string{
			fmt.Sprintf("%s/ links to %s/gone: 404 Not Found", site.URL, site.URL),
			fmt.Sprintf("%s/a links to %s/gone: 404 Not Found", site.URL, site.URL),
			fmt.Sprintf("%s/a links to %s/relative: 404 Not Found", site.URL, site.URL),
			fmt.Sprintf("%s/a links to %s/not-there: 404 Not Found", site.URL, elsewhere.URL),
		}, lines[:4])
		require.Contains(t, lines[4], "3 pages, 12 links to 7 addresses on 2 hosts, 4 broken, ")
		require.Equal(t, map[string]int{"GET /": 1, "GET /a": 1, "GET /b": 1, "GET /gone": 1, "GET /relative": 1}, site.asked)
		require.Equal(t, map[string]int{"HEAD /there": 1, "HEAD /not-there": 1}, elsewhere.asked)
	})

	t.Run("a host that does not answer is a broken link", func(t *testing.T) {
		site := newTestSite(t, nil)
		site.Close()
		status, stdout, _ := crawl(t, site.URL)
		require.Equal(t, 1, status)
		require.Contains(t, stdout, "the command line links to "+site.URL)
	})

	t.Run("an interrupt ends it and the report is partial", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		hung := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		}))
		defer hung.Close()
		var stdout, stderr bytes.Buffer
		require.Equal(t, 130, run(ctx, []string{hung.URL}, &stdout, &stderr))
		require.Contains(t, stdout.String(), "0 broken")
		require.Contains(t, stderr.String(), "partial")
	})

	t.Run("without a url it checks a site of its own", func(t *testing.T) {
		status, stdout, _ := crawl(t)
		require.Equal(t, 1, status)
		require.Contains(t, stdout, "/team: 404 Not Found")
		require.Contains(t, stdout, "/old/price-list: 404 Not Found")
		require.Contains(t, stdout, " 2 broken, ")
	})

	t.Run("bad usage is status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-per-host", "0"}, {"-requests", "-1"}, {"-no-such-flag"}} {
			status, _, stderr := crawl(t, args...)
			require.Equal(t, 2, status)
			require.NotEmpty(t, stderr)
		}
	})
}
