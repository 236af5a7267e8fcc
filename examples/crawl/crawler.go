package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/multierr"
	"golang.org/x/sync/singleflight"

	"github.com/coterie-go/coterie/core"
	"github.com/coterie-go/coterie/errgroup"
)

// A crawler checks the links of one or more sites.
type crawler struct {
	client   *http.Client
	perHost  int64
	requests *core.Semaphore // requests under way in all
	hosts    sync.Map        // from host name to the *core.Semaphore of its requests
	home     map[string]bool // hosts whose pages are visited; written before the crawl

	flight  singleflight.Group // makes those who ask for an address at once ask once
	answers sync.Map           // from address to its *answer
	visited sync.Map           // addresses whose links have been followed

	pages, links, asked atomic.Int64
}

// An answer is what asking for an address gave.
type answer struct {
	links []string // absolute, without fragment; only of a page on a home host
	err   error    // why a link to it is broken
}

// A brokenLink is the error of a link that leads nowhere.
type brokenLink struct {
	from, to string
	err      error
}

func (b *brokenLink) Error() string {
	return fmt.Sprintf("%s links to %s: %v", b.from, b.to, b.err)
}

func (b *brokenLink) Unwrap() error { return b.err }

func newCrawler(client *http.Client, perHost, requests int) *crawler {
	return &crawler{
		client:   client,
		perHost:  int64(perHost),
		requests: core.NewSemaphore(int64(requests)),
		home:     make(map[string]bool),
	}
}

// crawl visits everything that can be reached from urls and returns the broken
// links, sorted.
func (c *crawler) crawl(ctx context.Context, urls []string) []*brokenLink {
	for _, s := range urls {
		if u, err := url.Parse(s); err == nil {
			c.home[u.Host] = true
		}
	}
	opts := errgroup.Options{Name: "crawl", Collect: true}
	err := errgroup.RunWith(ctx, opts, func(ctx context.Context, g *errgroup.Group) error {
		for _, s := range urls {
			c.follow(ctx, g, "the command line", s)
		}
		return nil
	})
	var broken []*brokenLink
	for _, err := range multierr.Errors(err) {
		if b := (*brokenLink)(nil); errors.As(err, &b) {
			broken = append(broken, b)
		}
	}
	slices.SortFunc(broken, func(a, b *brokenLink) int {
		return cmp.Or(strings.Compare(a.to, b.to), strings.Compare(a.from, b.from))
	})
	return broken
}

// follow starts the task that checks the link from a page to an address, and
// goes on to the links of that.
func (c *crawler) follow(ctx context.Context, g *errgroup.Group, from, to string) {
	c.links.Add(1)
	g.Go(func() error {
		a := c.ask(ctx, to)
		if a.err != nil {
			if ctx.Err() != nil {
				return ctx.Err() // not the link's fault
			}
			return &brokenLink{from, to, a.err}
		}
		if _, again := c.visited.LoadOrStore(to, true); !again {
			for _, link := range a.links {
				c.follow(ctx, g, to, link)
			}
		}
		return nil
	})
}

// ask returns what an address answers. However many tasks want to know, it is
// asked once.
func (c *crawler) ask(ctx context.Context, address string) *answer {
	if a, ok := c.answers.Load(address); ok {
		return a.(*answer)
	}
	a, _, _ := c.flight.Do(address, func() (any, error) {
		if a, ok := c.answers.Load(address); ok {
			return a, nil
		}
		a := new(answer)
		a.links, a.err = c.fetch(ctx, address)
		c.answers.Store(address, a)
		return a, nil
	})
	return a.(*answer)
}

// fetch requests an address when its host and the crawler have room.
func (c *crawler) fetch(ctx context.Context, address string) ([]string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	host, _ := c.hosts.LoadOrStore(u.Host, core.NewSemaphore(c.perHost))
	for _, s := range []*core.Semaphore{host.(*core.Semaphore), c.requests} {
		if err := s.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		defer s.Release(1)
	}
	c.asked.Add(1)
	method := http.MethodHead
	if c.home[u.Host] {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "coterie-crawl")
	response, err := c.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return nil, fmt.Errorf("%s", response.Status)
	}
	if method == http.MethodHead || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		return nil, nil
	}
	c.pages.Add(1)
	page, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return nil, err
	}
	return linksOf(page, response.Request.URL), nil
}

const maxPage = 4 << 20 // bytes of a page that are searched for links

// href finds the links of a page. A real parser would find a few more; it is not
// what this example is about.
var href = regexp.MustCompile(`(?i)<a\s[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)

// linksOf returns the addresses, each once, to which a page links by HTTP.
func linksOf(page []byte, base *url.URL) []string {
	var links []string
	known := make(map[string]bool)
	for _, m := range href.FindAllSubmatch(page, -1) {
		ref, err := url.Parse(html.UnescapeString(string(m[1]) + string(m[2]) + string(m[3])))
		if err != nil {
			continue
		}
		u := base.ResolveReference(ref)
		u.Fragment = ""
		if s := u.String(); (u.Scheme == "http" || u.Scheme == "https") && !known[s] {
			known[s] = true
			links = append(links, s)
		}
	}
	return links
}

func (c *crawler) hostCount() int {
	n := 0
	for range c.hosts.Range {
		n++
	}
	return n
}
