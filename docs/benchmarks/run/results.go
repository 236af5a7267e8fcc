package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

// results are what a file of raw results says.
type results struct {
	config []benchfmt.Config
	cases  []*workloadCase // in the order of the file
}

// A workloadCase is a workload on a number of processors.
type workloadCase struct {
	name  string
	ps    int
	peers map[string]series
}

// A series is what one peer has shown, round by round, for each metric.
type series map[benchmarks.Metric][]float64

func readResults(path string) (*results, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	res := new(results)
	reader := benchfmt.NewReader(file, path)
	for reader.Scan() {
		switch rec := reader.Result().(type) {
		case *benchfmt.Result:
			if res.config == nil {
				res.config = rec.Clone().Config
			}
			res.add(rec)
		case *benchfmt.SyntaxError:
			return nil, rec
		}
	}
	if err := reader.Err(); err != nil {
		return nil, err
	}
	if len(res.cases) == 0 {
		return nil, fmt.Errorf("%s has no results", path)
	}
	return res, nil
}

func (res *results) add(rec *benchfmt.Result) {
	base, parts := rec.Name.Parts()
	name, peer, ps := strings.ToLower(string(base[:1]))+string(base[1:]), "", 1
	for _, part := range parts {
		switch value, isPeer := strings.CutPrefix(string(part), "/peer="); {
		case isPeer:
			peer = value
		case part[0] == '-':
			ps, _ = strconv.Atoi(string(part[1:]))
		default:
			name += string(part)
		}
	}
	c := res.find(name, ps)
	if c == nil {
		c = &workloadCase{name: name, ps: ps, peers: map[string]series{}}
		res.cases = append(res.cases, c)
	}
	if c.peers[peer] == nil {
		c.peers[peer] = series{}
	}
	for _, v := range rec.Values {
		value, unit := v.Value, v.Unit
		if v.OrigUnit != "" {
			value, unit = v.OrigValue, v.OrigUnit
		}
		c.peers[peer][benchmarks.Metric(unit)] = append(c.peers[peer][benchmarks.Metric(unit)], value)
	}
}

// find returns nil if the workload has not been measured on ps processors.
func (res *results) find(workload string, ps int) *workloadCase {
	for _, c := range res.cases {
		if c.name == workload && c.ps == ps {
			return c
		}
	}
	return nil
}

// mostPs returns the largest number of processors that was measured on.
func (res *results) mostPs() int {
	most := 1
	for _, c := range res.cases {
		most = max(most, c.ps)
	}
	return most
}

// summarize returns the median and its 95 % confidence interval, which with less
// than six values is all of them.
func summarize(values []float64) benchmath.Summary {
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	s := benchmath.AssumeNothing.Summary(sample, 0.95)
	s.Lo, s.Hi = max(s.Lo, sample.Values[0]), min(s.Hi, sample.Values[len(sample.Values)-1])
	return s
}

// median returns that of a metric of a peer, and whether there is one.
func (c *workloadCase) median(peer string, m benchmarks.Metric) (benchmath.Summary, bool) {
	values := c.peers[peer][m]
	if len(values) == 0 {
		return benchmath.Summary{}, false
	}
	return summarize(values), true
}

// ratio compares two peers round by round: what one took of what the other did.
func (c *workloadCase) ratio(peer, against string, m benchmarks.Metric) (benchmath.Summary, bool) {
	ours, theirs := c.peers[peer][m], c.peers[against][m]
	ratios := make([]float64, 0, len(ours))
	for i := range min(len(ours), len(theirs)) {
		if theirs[i] > 0 {
			ratios = append(ratios, ours[i]/theirs[i])
		}
	}
	if len(ratios) == 0 {
		return benchmath.Summary{}, false
	}
	return summarize(ratios), true
}

// byTime returns the peers, the fastest first.
func (c *workloadCase) byTime() []string {
	peers := make([]string, 0, len(c.peers))
	times := map[string]float64{}
	for peer := range c.peers {
		if s, ok := c.median(peer, benchmarks.Time); ok {
			peers = append(peers, peer)
			times[peer] = s.Center
		}
	}
	slices.SortFunc(peers, func(a, b string) int {
		if times[a] < times[b] || times[a] == times[b] && a < b {
			return -1
		}
		return 1
	})
	return peers
}

// best returns the fastest peer that is not ours, or "".
func (c *workloadCase) best() string {
	for _, peer := range c.byTime() {
		if peer != benchmarks.Limit && !isOurs(peer) {
			return peer
		}
	}
	return ""
}

func isOurs(peer string) bool { return peer == "coterie" || strings.HasPrefix(peer, "coterie-") }
