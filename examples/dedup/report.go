package main

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/multierr"
)

// A report is the result of a search. Except for the time it is the same for every run over the
// same trees.
type report struct {
	Sets    []set    `json:"sets"` // sets with more freeable bytes come first
	Summary summary  `json:"summary"`
	Partial string   `json:"partial,omitempty"` // why the search ended early, if it did
	Errors  []string `json:"errors"`            // files and directories that could not be read, sorted

	cause error // the error whose text is Partial
}

// A set is files with the same content.
type set struct {
	Count  int      `json:"count"`
	Size   int64    `json:"size"` // bytes, of each
	SHA256 string   `json:"sha256"`
	Paths  []string `json:"paths"` // sorted
}

// freeable returns how many bytes are duplicates.
func (s set) freeable() int64 { return s.Size * int64(s.Count-1) }

type summary struct {
	FilesSeen     int     `json:"files_seen"`   // files of at least -min bytes; links to one file count once
	FilesHashed   int     `json:"files_hashed"` // files of which at least a prefix was hashed
	BytesRead     int64   `json:"bytes_read"`
	DuplicateSets int     `json:"duplicate_sets"`
	BytesFreeable int64   `json:"bytes_freeable"`
	Seconds       float64 `json:"seconds"`
	MBPerSecond   float64 `json:"mb_per_second"`
}

// newReport makes a report of groups of files with equal content, each sorted by path. sum has the
// counts of files and bytes read.
func newReport(groups [][]*file, sum summary, took time.Duration, errs, cause error) *report {
	r := &report{Sets: []set{}, Errors: []string{}, Summary: sum, cause: cause}
	for _, group := range groups {
		s := set{Count: len(group), Size: group[0].size, SHA256: hex.EncodeToString(group[0].sum[:])}
		for _, f := range group {
			s.Paths = append(s.Paths, f.path)
		}
		r.Sets = append(r.Sets, s)
		r.Summary.BytesFreeable += s.freeable()
	}
	slices.SortFunc(r.Sets, func(a, b set) int {
		return cmp.Or(cmp.Compare(b.freeable(), a.freeable()), cmp.Compare(a.Paths[0], b.Paths[0]))
	})
	for _, err := range multierr.Errors(errs) {
		r.Errors = append(r.Errors, err.Error())
	}
	slices.Sort(r.Errors)
	if cause != nil {
		r.Partial = cause.Error()
	}
	r.Summary.DuplicateSets = len(r.Sets)
	r.Summary.Seconds = took.Seconds()
	if took > 0 {
		r.Summary.MBPerSecond = float64(sum.BytesRead) / 1e6 / took.Seconds()
	}
	return r
}

func (r *report) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func (r *report) writeText(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, s := range r.Sets {
		fmt.Fprintf(b, "%d files of %d bytes\n", s.Count, s.Size)
		for _, path := range s.Paths {
			fmt.Fprintf(b, "  %s\n", printable(path))
		}
		fmt.Fprintln(b)
	}
	sum := r.Summary
	if r.Partial != "" {
		fmt.Fprintf(b, "partial result: %s\n", r.Partial)
	}
	fmt.Fprintf(b, "files seen      %d\n", sum.FilesSeen)
	fmt.Fprintf(b, "files hashed    %d\n", sum.FilesHashed)
	fmt.Fprintf(b, "bytes read      %d (%s)\n", sum.BytesRead, megabytes(sum.BytesRead))
	fmt.Fprintf(b, "duplicate sets  %d\n", sum.DuplicateSets)
	fmt.Fprintf(b, "could be freed  %d bytes (%s)\n", sum.BytesFreeable, megabytes(sum.BytesFreeable))
	fmt.Fprintf(b, "time            %.2f s, %.1f MB/s\n", sum.Seconds, sum.MBPerSecond)
	return b.Flush()
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// printable quotes a path that is not one line of text. The name of a file may have any characters,
// for example some that move the cursor of a terminal.
func printable(path string) string {
	if !utf8.ValidString(path) || strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(path)
	}
	return path
}
