package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A report is the result of a search. Except for the time it is the same for every run over the
// same trees, with any number of workers.
type report struct {
	sets         [][]*file // files with the same content, each set sorted by path
	seen, hashed int       // files
	read         int64     // bytes, without those that a killed worker has read
	took         time.Duration
	errors       []string // files and directories that could not be read, sorted
	cause        error    // why the search ended early, if it did
}

// freeable returns how many bytes of a set are duplicates.
func freeable(set []*file) int64 { return set[0].size * int64(len(set)-1) }

// writeText writes the same text as dedup.
func (r *report) writeText(w io.Writer) error {
	slices.SortFunc(r.sets, func(a, b []*file) int {
		return cmp.Or(cmp.Compare(freeable(b), freeable(a)), cmp.Compare(a[0].path, b[0].path))
	})
	b := bufio.NewWriter(w)
	total := int64(0)
	for _, set := range r.sets {
		total += freeable(set)
		fmt.Fprintf(b, "%d files of %d bytes\n", len(set), set[0].size)
		for _, f := range set {
			fmt.Fprintf(b, "  %s\n", printable(f.path))
		}
		fmt.Fprintln(b)
	}
	if r.cause != nil {
		fmt.Fprintf(b, "partial result: %v\n", r.cause)
	}
	fmt.Fprintf(b, "files seen      %d\n", r.seen)
	fmt.Fprintf(b, "files hashed    %d\n", r.hashed)
	fmt.Fprintf(b, "bytes read      %d (%s)\n", r.read, megabytes(r.read))
	fmt.Fprintf(b, "duplicate sets  %d\n", len(r.sets))
	fmt.Fprintf(b, "could be freed  %d bytes (%s)\n", total, megabytes(total))
	fmt.Fprintf(b, "time            %.2f s, %.1f MB/s\n", r.took.Seconds(), float64(r.read)/1e6/max(r.took.Seconds(), 1e-9))
	return b.Flush()
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// printable quotes a path that is not one line of text.
func printable(path string) string {
	if !utf8.ValidString(path) || strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(path)
	}
	return path
}
