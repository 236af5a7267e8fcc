package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	benchmarks "github.com/coterie-go/coterie/docs/benchmarks"
)

// check compares results with the targets and reports whether one is missed. A
// target is met if the median of the ratios of all rounds is within it; it is
// unclear where the confidence interval reaches to both sides. Targets of
// workloads that do not have one of the words in only in their names are left out.
//
// The ratio of the fastest rounds stands beside it. On a machine that is busy
// with other things it comes closer to what a quiet one would show.
func check(res *results, only string, w io.Writer) (missed bool) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tworkload\tmeasured\tat most\tof\t95 % of medians\tof the fastest rounds")
	counts := map[string]int{}
	for _, t := range benchmarks.Targets() {
		if !named(t.Workload, only) {
			continue
		}
		v := judge(res, t)
		counts[v.word]++
		metric := ""
		switch t.Metric {
		case benchmarks.Allocs:
			metric = " allocs"
		case benchmarks.Peak:
			metric = " peak memory"
		}
		ours := t.Peer
		if v.ps == 1 {
			ours += " on 1 P"
		}
		of := v.against
		if of == "" {
			of = "-"
		}
		if !v.measured {
			fmt.Fprintf(table, "%s\t%s: %s%s\t-\t%.4g\t%s\t\t\n", v.word, t.Workload, ours, metric, t.Max, of)
			continue
		}
		fmt.Fprintf(table, "%s\t%s: %s%s\t%.3g\t%.4g\t%s\t%.3g to %.3g\t%.3g\n",
			v.word, t.Workload, ours, metric, v.center, t.Max, of, v.lo, v.hi, v.fastest)
	}
	table.Flush()
	fmt.Fprintf(w, "%d met, %d met but unclear, %d MISSED but unclear, %d MISSED, %d not measured\n",
		counts[met], counts[metUnclear], counts[missedUnclear], counts[missedClear], counts[unmeasured])
	return counts[missedClear]+counts[missedUnclear] > 0
}

const (
	met           = "met"
	metUnclear    = "met?"
	missedUnclear = "MISSED?"
	missedClear   = "MISSED"
	unmeasured    = "not measured"
)

// A verdict is what results say of a target.
type verdict struct {
	word           string
	measured       bool
	center, lo, hi float64
	fastest        float64
	against        string
	ps             int
}

func judge(res *results, t benchmarks.Target) verdict {
	v := verdict{word: unmeasured, against: t.Against, ps: t.Ps}
	if v.ps == 0 {
		v.ps = res.mostPs()
	}
	c := res.find(t.Workload, v.ps)
	if c == nil {
		return v
	}
	if t.Against == benchmarks.Best {
		v.against = c.best()
	}
	s, ok := c.median(t.Peer, t.Metric)
	if v.against != "" {
		s, ok = c.ratio(t.Peer, v.against, t.Metric)
	}
	if !ok {
		return v
	}
	v.fastest = slices.Min(c.peers[t.Peer][t.Metric])
	if v.against != "" {
		v.fastest /= slices.Min(c.peers[v.against][t.Metric])
	}
	v.measured, v.center, v.lo, v.hi = true, s.Center, s.Lo, s.Hi
	switch {
	case v.hi <= t.Max:
		v.word = met
	case v.center <= t.Max:
		v.word = metUnclear
	case v.lo <= t.Max:
		v.word = missedUnclear
	default:
		v.word = missedClear
	}
	return v
}
