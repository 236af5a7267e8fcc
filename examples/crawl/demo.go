package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// demoSite is a site of 40 pages. Some of them have a broken link.
func demoSite() http.Handler {
	const pages = 40
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page(w, "/page/0", "/about", "/picture.png")
	})
	mux.HandleFunc("GET /about", func(w http.ResponseWriter, r *http.Request) {
		page(w, "/", "/team")
	})
	mux.HandleFunc("GET /picture.png", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/png")
	})
	mux.HandleFunc("GET /page/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscan(r.PathValue("n"), &n); err != nil || n >= pages {
			http.NotFound(w, r)
			return
		}
		time.Sleep(20 * time.Millisecond) // as if the server had to make the page
		links := []string{"/"}
		for child := 2*n + 1; child <= 2*n+2 && child < pages; child++ {
			links = append(links, fmt.Sprintf("/page/%d#top", child))
		}
		if n == 17 {
			links = append(links, "/old/price-list")
		}
		page(w, links...)
	})
	return mux
}

func page(w http.ResponseWriter, links ...string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	var b strings.Builder
	for _, link := range links {
		fmt.Fprintf(&b, "<p><a href=%q>%s</a>\n", link, link)
	}
	fmt.Fprint(w, b.String())
}
