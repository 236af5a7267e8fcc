package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

// writeReport writes table.md, summary.md and the plots beside the raw results,
// and what was measured to standard output: all of it if it is little.
func writeReport(res *results, f flags) error {
	var table, summary bytes.Buffer
	writeTable(&table, res)
	writeSummary(&summary, res)
	if err := os.WriteFile(filepath.Join(f.out, "table.md"), table.Bytes(), 0o666); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(f.out, "summary.md"), summary.Bytes(), 0o666); err != nil {
		return err
	}
	plots, err := writePlots(res, f.out)
	if err != nil {
		return err
	}
	if f.updates != "" {
		if err := update(f.updates, summary.String()); err != nil {
			return err
		}
	}
	if f.only != "" {
		printCases(os.Stdout, res)
	} else if !f.check {
		printSummary(os.Stdout, res)
	}
	fmt.Printf("wrote raw.txt, table.md, summary.md and %d plots to %s\n", plots, f.out)
	return nil
}

// A row is a peer's results as text.
type row struct{ peer, time, spread, fastest, best, limit, bytes, allocs, peak string }

func (c *workloadCase) rows() []row {
	var rows []row
	best := c.best()
	for _, peer := range c.byTime() {
		s, _ := c.median(peer, benchmarks.Time)
		r := row{peer: peer, time: fmt.Sprintf("%.4g", s.Center), spread: s.PctRangeString(), fastest: fmt.Sprintf("%.4g", slices.Min(c.peers[peer][benchmarks.Time]))}
		if ratio, ok := c.ratio(peer, best, benchmarks.Time); ok {
			r.best = fmt.Sprintf("%.2f", ratio.Center)
		}
		if ratio, ok := c.ratio(peer, benchmarks.Limit, benchmarks.Time); ok {
			r.limit = fmt.Sprintf("%.2f", ratio.Center)
		}
		if peer != benchmarks.Limit {
			if s, ok := c.median(peer, "B/op"); ok {
				r.bytes = fmt.Sprintf("%.0f", s.Center)
			}
			if s, ok := c.median(peer, benchmarks.Allocs); ok {
				r.allocs = fmt.Sprintf("%.2f", s.Center)
			}
		}
		if s, ok := c.median(peer, benchmarks.Peak); ok {
			r.peak = size(s.Center)
		}
		rows = append(rows, r)
	}
	return rows
}

// size writes a number of bytes for people.
func size(b float64) string {
	switch {
	case b < 1<<20:
		return fmt.Sprintf("%.0f kB", b/(1<<10))
	case b < 100<<20:
		return fmt.Sprintf("%.1f MB", b/(1<<20))
	}
	return fmt.Sprintf("%.0f MB", b/(1<<20))
}

func (c *workloadCase) rounds() int {
	most := 0
	for _, s := range c.peers {
		most = max(most, len(s[benchmarks.Time]))
	}
	return most
}

// writeTable writes all there is in Markdown.
func writeTable(w io.Writer, res *results) {
	fmt.Fprintf(w, "# All results\n\n%s\n\n", res.conditions())
	fmt.Fprint(w, "Medians of one task or item, with the 95 % confidence interval of the median; ratios are medians of the ratios round by round.\n")
	for _, c := range res.cases {
		fmt.Fprintf(w, "\n## %s, %s\n\n", c.name, processorCount(c.ps))
		fmt.Fprint(w, "| peer | ns | ± | fastest | of best peer | of limit | B | allocs | peak memory |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
		for _, r := range c.rows() {
			peer := r.peer
			if isOurs(peer) {
				peer = "**" + peer + "**"
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", peer, r.time, r.spread, r.fastest, r.best, r.limit, r.bytes, r.allocs, r.peak)
		}
	}
}

// printCases writes all there is for a terminal.
func printCases(w io.Writer, res *results) {
	for _, c := range res.cases {
		fmt.Fprintf(w, "\n%s, %s, %d rounds\n", c.name, processorCount(c.ps), c.rounds())
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(table, "peer\tns\t±\tfastest\tof best peer\tof limit\tB\tallocs\tpeak memory\t")
		for _, r := range c.rows() {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.peer, r.time, r.spread, r.fastest, r.best, r.limit, r.bytes, r.allocs, r.peak)
		}
		table.Flush()
	}
}

// A line is a workload in the summary: ours and the best of the others.
type line struct {
	c                              *workloadCase
	ours, spread, bestPeer, others string
	ratio, limit, allocs           string
}

func (res *results) lines() []line {
	var lines []line
	for _, c := range res.cases {
		s, ok := c.median("coterie", benchmarks.Time)
		if !ok {
			continue
		}
		l := line{c: c, ours: fmt.Sprintf("%.4g", s.Center), spread: s.PctRangeString(), bestPeer: c.best()}
		if s, ok := c.median(l.bestPeer, benchmarks.Time); ok {
			l.others = fmt.Sprintf("%.4g", s.Center)
		}
		if s, ok := c.ratio("coterie", l.bestPeer, benchmarks.Time); ok {
			l.ratio = fmt.Sprintf("%.2f", s.Center)
		}
		if s, ok := c.ratio("coterie", benchmarks.Limit, benchmarks.Time); ok {
			l.limit = fmt.Sprintf("%.2f", s.Center)
		}
		if s, ok := c.median("coterie", benchmarks.Allocs); ok {
			l.allocs = fmt.Sprintf("%.2f", s.Center)
		}
		lines = append(lines, l)
	}
	return lines
}

func writeSummary(w io.Writer, res *results) {
	fmt.Fprintf(w, "%s\n\n", res.conditions())
	fmt.Fprint(w, "| workload | Ps | coterie, ns | ± | best peer | ns | ratio | of limit | allocs |\n|---|--:|--:|--:|---|--:|--:|--:|--:|\n")
	for _, l := range res.lines() {
		fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %s | %s | %s | %s |\n",
			l.c.name, l.c.ps, l.ours, l.spread, l.bestPeer, l.others, l.ratio, l.limit, l.allocs)
	}
	fmt.Fprint(w, "\nTargets:\n\n```\n")
	check(res, "", w)
	fmt.Fprint(w, "```\n")
}

func printSummary(w io.Writer, res *results) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "workload\tPs\tcoterie, ns\t±\tbest peer\tns\tratio\tof limit\tallocs")
	for _, l := range res.lines() {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			l.c.name, l.c.ps, l.ours, l.spread, l.bestPeer, l.others, l.ratio, l.limit, l.allocs)
	}
	table.Flush()
}

// conditions says what was measured on what and when.
func (res *results) conditions() string {
	var parts, peers []string
	for _, c := range res.config {
		switch key, value := c.Key, string(c.Value); key {
		case "cpus":
			parts = append(parts, value+" processors")
		case "goos", "goarch", "cpu", "go", "date":
			parts = append(parts, value)
		default:
			peers = append(peers, strings.TrimPrefix(key, "github.com-")+" "+value)
		}
	}
	least, most := 0, 0
	for _, c := range res.cases {
		if n := c.rounds(); n > 0 {
			most = max(most, n)
			if least == 0 {
				least = n
			}
			least = min(least, n)
		}
	}
	rounds := fmt.Sprint(most, " rounds")
	if least < most {
		rounds = fmt.Sprintf("%d to %d rounds", least, most)
	}
	return fmt.Sprintf("Measured on %s; %s. %s Peers: %s.", strings.Join(parts, ", "), rounds, res.disturbance(), strings.Join(peers, ", "))
}

// disturbance says how much other processes had a part in what was measured.
func (res *results) disturbance() string {
	var waits []float64
	disturbed := 0
	for _, c := range res.cases {
		for _, s := range c.peers {
			for _, percent := range s["waited-%"] {
				waits = append(waits, percent)
				if percent > 100*calm {
					disturbed++
				}
			}
		}
	}
	if len(waits) == 0 {
		return ""
	}
	return fmt.Sprintf("In %d %% of the samples threads waited for a processor for more than %g %% of the time.",
		100*disturbed/len(waits), 100*calm)
}

func processorCount(ps int) string {
	if ps == 1 {
		return "1 P"
	}
	return fmt.Sprint(ps, " Ps")
}

const (
	beginMark = "<!-- summary: written by run -update -->\n"
	endMark   = "<!-- end of summary -->\n"
)

// update replaces what stands between the marks in the file.
func update(path, summary string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the marks of a summary", path)
	}
	return os.WriteFile(path, []byte(before+beginMark+summary+endMark+after), 0o666)
}
