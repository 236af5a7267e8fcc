package tree

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// This file holds the HTTP handler: a page without scripts, the text, and the JSON.

// Handler serves a snapshot to GET and HEAD. The query selects:
//
//	format   html (the default), text or json
//	path     the owner with this path and those whose paths continue it; see Options
//	stacks   0 leaves the stacks out; see Options
//	refresh  the number of seconds after which the page reloads itself, 1 to 3600
//
// The response has the names of owners and tasks, the texts of the errors that cancelled them, and
// stacks with names of functions and files. Each client can stop the world once a second. So
// protect the handler as you protect net/http/pprof: by a listener that is not reachable from
// outside, or by a login.
func Handler() http.Handler { return http.HandlerFunc(serve) }

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var page = template.Must(template.New("page").Parse(pageText))

// policy is the Content-Security-Policy. It allows the page's own style, and nothing else.
var policy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// mostOwners is how many owners the page shows. The text and the JSON have all owners.
const mostOwners = 1000

func serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy", policy)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	q := r.URL.Query()
	ask := asked{
		format: q.Get("format"), refresh: q.Get("refresh"),
		Options: Options{Path: q.Get("path"), NoStacks: q.Get("stacks") == "0"},
	}
	body, kind, err := ask.answer()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	header.Set("Content-Type", kind)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // it fails only if the client is gone
	}
}

// asked holds the query of a request.
type asked struct {
	Options
	format  string
	refresh string
}

func (a asked) answer() (body []byte, kind string, err error) {
	if a.refresh != "" {
		if n, err := strconv.Atoi(a.refresh); err != nil || n < 1 || n > 3600 {
			return nil, "", fmt.Errorf("refresh must be 1 to 3600 seconds, got %q", a.refresh)
		}
	}
	switch a.format {
	case "json":
		body, err = json.MarshalIndent(take(a.Options), "", "\t")
		return append(body, '\n'), "application/json", err
	case "text":
		return []byte(take(a.Options).text()), "text/plain; charset=utf-8", nil
	case "", "html":
		return a.page(take(a.Options)), "text/html; charset=utf-8", nil
	}
	return nil, "", fmt.Errorf("format must be html, text or json, got %q", a.format)
}

// A link is a link to the same page with another query.
type link struct{ Query, Text string }

// A card is an owner on the page.
type card struct {
	*Owner
	Query, Name, StateText, Load, Facts string
	Level                               int
	Tasks                               []row
}

// A row is a Task on the page.
type row struct{ Line, Stack string }

// query returns the query of the request with one key changed.
func (a asked) query(key, value string) string {
	q := url.Values{}
	for k, v := range map[string]string{"path": a.Path, "refresh": a.refresh, "format": ""} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if a.NoStacks {
		q.Set("stacks", "0")
	}
	if q.Set(key, value); value == "" {
		q.Del(key)
	}
	return "?" + q.Encode()
}

func (a asked) links() []link {
	links := []link{{a.query("refresh", "5"), "refresh every 5 s"}}
	if a.refresh != "" {
		links[0] = link{a.query("refresh", ""), "stop refreshing"}
	}
	if a.NoStacks {
		links = append(links, link{a.query("stacks", ""), "with stacks"})
	} else {
		links = append(links, link{a.query("stacks", "0"), "without stacks"})
	}
	if a.Path != "" {
		links = append(links, link{a.query("path", ""), "all owners"})
	}
	return append(links, link{a.query("format", "text"), "text"}, link{a.query("format", "json"), "JSON"})
}

func (a asked) page(s *Snapshot) []byte {
	data := struct {
		*Snapshot
		Headline, Path, Refresh, More string
		Style                         template.CSS
		Links                         []link
		Waits                         []string
		Owners                        []card
	}{
		Snapshot: s, Headline: s.headline(), Path: a.Path, Refresh: a.refresh, Style: template.CSS(pageStyle),
		Links: a.links(), Waits: s.longest(),
	}
	for i := range s.Owners {
		if i == mostOwners {
			data.More = fmt.Sprintf("%d further owners are in the text and the JSON.", len(s.Owners)-i)
			break
		}
		data.Owners = append(data.Owners, a.card(&s.Owners[i]))
	}
	var b bytes.Buffer
	if err := page.Execute(&b, data); err != nil {
		panic(err) // the template does not fit the data
	}
	return b.Bytes()
}

func (a asked) card(o *Owner) card {
	c := card{
		Owner: o, Query: a.query("path", o.Path), Name: printable(o.Path), StateText: o.state(), Load: o.load(),
		Facts: strings.Join(o.facts()[2:], " · "), Level: min(o.Depth, 6),
	}
	for i := range o.Tasks {
		c.Tasks = append(c.Tasks, row{o.Tasks[i].line(), o.Tasks[i].Stack})
	}
	return c
}
