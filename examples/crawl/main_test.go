package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/examples/internal/stop/stoptest"
)

func TestMain(m *testing.M) { stoptest.Main(m, main) }

func TestStatus(t *testing.T) {
	asked := make(chan bool, 1)
	hangs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			page(w, "/gone", "/hangs")
			return
		}
		if r.URL.Path == "/gone" {
			http.NotFound(w, r)
			return
		}
		asked <- true
		<-r.Context().Done()
	}))
	defer hangs.Close()
	stoptest.Status(t, func() { <-asked }, "/gone: 404 Not Found\n\tlinked from "+hangs.URL+"/\n1 pages", "-per-host=1", hangs.URL+"/")
}

func TestDebug(t *testing.T) {
	asked, release := make(chan bool, 1), make(chan bool)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-release
	}))
	defer site.Close()
	program := stoptest.Program(t, "-debug=127.0.0.1:0", site.URL+"/")
	var out bytes.Buffer
	program.Stdout = &out
	stderr, err := program.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, program.Start())
	var url string
	_, err = fmt.Fscanf(stderr, "what it is doing: %s\n", &url)
	require.NoError(t, err)
	<-asked
	response, err := http.Get(url + "?format=text")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "\ncrawl  pool, open, 1 running of 16, ")
	require.Regexp(t, `- crawl: select at crawler\.go:\d+, begun `, string(text))
	close(release)
	require.NoError(t, program.Wait())
	require.Contains(t, out.String(), "1 links to 1 addresses on 1 hosts, 0 dead")
}

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

func crawlWith(t *testing.T, args ...string) (status int, stdout, stderr string) {
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
		r := crawl(t.Context(), &http.Client{Transport: web}, perHost, requests, []string{"http://a.test/"})
		require.Empty(t, r.Dead)
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
	t.Run("each dead address is reported once, and every address asked once", func(t *testing.T) {
		elsewhere := newTestSite(t, map[string][]string{"/there": {"/never-followed"}})
		site := newTestSite(t, map[string][]string{
			"/":  {"/a", "/b", "/gone", "mailto:someone@example.org", elsewhere.URL + "/there"},
			"/a": {"/", "/b#part", "/gone", "relative", elsewhere.URL + "/not-there"},
			"/b": {"/a#part", elsewhere.URL + "/there"},
		})
		status, stdout, stderr := crawlWith(t, site.URL+"/")
		require.Equal(t, 1, status)
		require.Empty(t, stderr)
		stdout = strings.NewReplacer(site.URL, "SITE", elsewhere.URL, "OTHER").Replace(stdout)
		gone := "SITE/gone: 404 Not Found\n\tlinked from SITE/\n\tlinked from SITE/a\n"
		require.Contains(t, stdout, gone)
		require.Contains(t, stdout, "SITE/relative: 404 Not Found\n\tlinked from SITE/a\n")
		require.Contains(t, stdout, "OTHER/not-there: 404 Not Found\n\tlinked from SITE/a\n")
		require.Contains(t, stdout, "\n3 pages, 12 links to 7 addresses on 2 hosts, 3 dead, ")
		require.Equal(t, 8, strings.Count(stdout, "\n"))
		require.Equal(t, map[string]int{"GET /": 1, "GET /a": 1, "GET /b": 1, "GET /gone": 1, "GET /relative": 1}, site.asked)
		require.Equal(t, map[string]int{"HEAD /there": 1, "HEAD /not-there": 1}, elsewhere.asked)
	})

	t.Run("as JSON", func(t *testing.T) {
		site := newTestSite(t, map[string][]string{"/": {"/a", "/gone"}, "/a": {"/gone"}})
		status, stdout, stderr := crawlWith(t, "-json", site.URL+"/")
		require.Equal(t, 1, status)
		require.Empty(t, stderr)
		require.JSONEq(t, `{
			"dead": [{"url": "SITE/gone", "error": "404 Not Found", "pages": ["SITE/", "SITE/a"]}],
			"pages": 2, "links": 4, "addresses": 3, "hosts": 1
		}`, strings.ReplaceAll(stdout, site.URL, "SITE"))
		site = newTestSite(t, map[string][]string{"/": {}})
		status, stdout, _ = crawlWith(t, "-json", site.URL+"/")
		require.Zero(t, status)
		require.JSONEq(t, `{"dead": [], "pages": 1, "links": 1, "addresses": 1, "hosts": 1}`, stdout)
	})

	t.Run("a host that does not answer is dead", func(t *testing.T) {
		site := newTestSite(t, nil)
		site.Close()
		status, stdout, _ := crawlWith(t, site.URL)
		require.Equal(t, 1, status)
		require.Contains(t, stdout, site.URL+": ")
		require.Contains(t, stdout, "\tlinked from the command line\n")
	})

	t.Run("without a url it checks a site of its own", func(t *testing.T) {
		status, stdout, _ := crawlWith(t)
		require.Equal(t, 1, status)
		require.Contains(t, stdout, "/team: 404 Not Found")
		require.Contains(t, stdout, "/old/price-list: 404 Not Found")
		require.Contains(t, stdout, " 2 dead, ")
	})

	t.Run("bad usage is status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-debug", "nowhere"}, {"-per-host", "0"}, {"-requests", "-1"}, {"-timeout", "-1s"}, {"-no-such-flag"}} {
			status, _, stderr := crawlWith(t, args...)
			require.Equal(t, 2, status)
			require.NotEmpty(t, stderr)
		}
	})
}
