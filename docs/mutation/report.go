package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// This file holds the report: the score of each package, and what has survived.

// A tried is a mutant and what became of it.
type tried struct {
	*mutant
	result
}

// describe returns one line about a mutant.
func (t tried) describe() string {
	where := fmt.Sprintf("%s:%d", t.file.rel, t.line)
	if t.function != "" {
		where += " " + t.function
	}
	text := fmt.Sprintf("%-13s  %s: %s: %s", t.verdict, where, short(t.source), t.change)
	if t.by != "" {
		text += "  [" + short(t.by) + "]"
	}
	return text
}

func short(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > 150 {
		return string(r[:150]) + "..."
	}
	return s
}

// score is the share, in percent, of the mutants that build and are not equivalent that
// tests have noticed.
func score(count map[verdict]int) float64 {
	noticed := count[killed] + count[timedOut]
	if all := noticed + count[survived]; all > 0 {
		return 100 * float64(noticed) / float64(all)
	}
	return 100
}

// report writes the scores, the survivors, and the entries of the list that cover nothing.
func report(out io.Writer, all []tried, equivalents []*equivalent) {
	counts := map[string]map[verdict]int{}
	total := map[verdict]int{}
	for _, t := range all {
		path := t.target.ImportPath
		if counts[path] == nil {
			counts[path] = map[verdict]int{}
		}
		counts[path][t.verdict]++
		total[t.verdict]++
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "package\tmutants\tkilled\ttimed out\tsurvived\tequivalent\tdid not build\tscore\t\n")
	row := func(name string, c map[verdict]int) {
		sum := 0
		for _, n := range c {
			sum += n
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f %%\t\n", name, sum, c[killed], c[timedOut], c[survived], c[excused], c[unbuilt], score(c))
	}
	paths := make([]string, 0, len(counts))
	for path := range counts {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		row(path, counts[path])
	}
	row("all", total)
	w.Flush()
	survivors := slices.DeleteFunc(slices.Clone(all), func(t tried) bool { return t.verdict != survived })
	slices.SortFunc(survivors, func(a, b tried) int {
		return cmp.Or(strings.Compare(a.file.rel, b.file.rel), a.from-b.from)
	})
	for _, t := range survivors {
		fmt.Fprintln(out, t.describe())
	}
	reportUnknown(out, equivalents)
}

// reportUnknown lists the equivalent mutants that there are not.
func reportUnknown(out io.Writer, equivalents []*equivalent) {
	for _, e := range equivalents {
		if !e.used {
			fmt.Fprintf(out, "the list of equivalent mutants has one that there is not: %s %s: %s: %s\n", e.file, e.function, e.source, e.change)
		}
	}
}
