package main

import (
	"context"
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

	"github.com/coterie-go/coterie/pool"
)

// A crawler checks the links of one or more sites.
type crawler struct {
	client *http.Client
	hosts  *pool.Keyed[string] // requests, by host
	home   map[string]bool     // hosts whose pages are visited; written before the crawl

	mu        sync.Mutex // nothing blocks while it is held
	addresses map[string]*address

	pages, links, asked atomic.Int64
}

// An address is the target of links. The crawler's mu guards it.
type address struct {
	from []string // the pages that link to it
	err  error    // why it is dead; nil if it is not
}

// A report is the result of a crawl.
type report struct {
	Dead      []dead `json:"dead"` // sorted by URL
	Pages     int64  `json:"pages"`
	Links     int64  `json:"links"`
	Addresses int64  `json:"addresses"` // how many addresses were requested
	Hosts     int    `json:"hosts"`
	Partial   string `json:"partial,omitempty"` // why the crawl ended early; "" if it did not
}

// A dead is an address whose request has failed.
type dead struct {
	URL   string   `json:"url"`
	Error string   `json:"error"`
	Pages []string `json:"pages"` // the pages that link to it, sorted
}

// crawl visits all pages that can be reached from urls. At most requests requests run at once, and
// at most perHost to one host.
func crawl(ctx context.Context, client *http.Client, perHost, requests int, urls []string) *report {
	p := pool.New(requests, pool.Options{Name: "crawl"})
	defer p.Close()
	c := &crawler{
		client:    client,
		hosts:     pool.NewKeyed[string](p, perHost),
		home:      make(map[string]bool),
		addresses: make(map[string]*address),
	}
	for _, s := range urls {
		if u, err := url.Parse(s); err == nil {
			c.home[u.Host] = true
		}
	}
	for _, s := range urls {
		c.follow(ctx, "the command line", s)
	}
	c.hosts.Wait()
	return c.report(ctx)
}

// follow records the link from a page to an address. If it is the first link to that address,
// follow starts a task that requests the address and follows its links.
func (c *crawler) follow(ctx context.Context, from, to string) {
	c.links.Add(1)
	c.mu.Lock()
	a, known := c.addresses[to]
	if !known {
		a = new(address)
		c.addresses[to] = a
	}
	a.from = append(a.from, from)
	c.mu.Unlock()
	if known {
		return
	}
	_ = c.hosts.GoContext(ctx, hostOf(to), func(ctx context.Context) { // it fails only if ctx is done
		links, err := c.fetch(ctx, to)
		if err != nil && ctx.Err() == nil { // otherwise the crawl has ended, and the link may be fine
			c.mu.Lock()
			a.err = err
			c.mu.Unlock()
		}
		for _, link := range links {
			c.follow(ctx, to, link)
		}
	})
}

func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return ""
}

// report returns the result of a crawl that has ended.
func (c *crawler) report(ctx context.Context) *report {
	r := &report{Dead: []dead{}, Pages: c.pages.Load(), Links: c.links.Load(), Addresses: c.asked.Load()}
	if ctx.Err() != nil {
		r.Partial = context.Cause(ctx).Error()
	}
	hosts := make(map[string]bool)
	for url, a := range c.addresses {
		hosts[hostOf(url)] = true
		if a.err != nil {
			slices.Sort(a.from)
			r.Dead = append(r.Dead, dead{url, a.err.Error(), a.from})
		}
	}
	slices.SortFunc(r.Dead, func(a, b dead) int { return strings.Compare(a.URL, b.URL) })
	r.Hosts = len(hosts)
	return r
}

// fetch requests an address. For a page on a home host it returns the links, absolute and without
// fragments.
func (c *crawler) fetch(ctx context.Context, address string) ([]string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
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

// href finds the links of a page. A real parser would find a few more links, but would distract
// from this example.
var href = regexp.MustCompile(`(?i)<a\s[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)

// linksOf returns the HTTP addresses to which a page links, each once.
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
