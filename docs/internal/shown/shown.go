// Package shown keeps honest the documentation that shows bugs. A test whose
// name begins with TestBug is one that a person would write, and fails as it did
// for that person. A plain run of the tests leaves it out. [Run] runs it in a
// process of its own and compares what is printed with what the page shows, which
// stands in testdata, in a file named after the test.
package shown

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var bugs = flag.Bool("bugs", false, "run the tests that show a bug")

// Bugs is called by TestMain. It reports whether this process is one that shows
// a bug; in another one those tests are left out from here on.
func Bugs() bool {
	flag.Parse()
	if !*bugs {
		must(flag.Set("test.skip", "^TestBug"))
	}
	return *bugs
}

// Run runs every TestBug of this test binary, each in a process of its own.
func Run(t *testing.T) {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), os.Args[0], "-test.list=^TestBug", "-bugs").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(list))
	if len(names) == 0 {
		t.Fatal("there is no TestBug")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			output, passed := runToEnd(t, name, string(want))
			if passed != strings.HasSuffix(string(want), "PASS\n") {
				t.Errorf("%s passed: %v. It printed\n%s", name, passed, output)
			}
			Compare(t, string(want), output)
		})
	}
}

// runToEnd runs a test. If the page shows that the test timed out, a tenth of the time is often
// enough.
func runToEnd(t *testing.T, name, want string) (output string, passed bool) {
	m := timedOut.FindStringSubmatch(want)
	if m == nil {
		return run(t, name, "1m")
	}
	limit, err := time.ParseDuration(m[1])
	if err != nil {
		t.Fatal(err)
	}
	short := (limit / 10).String()
	output, passed = run(t, name, short)
	output = strings.Replace(output, "test timed out after "+short, m[0], 1)
	if missing(want, output) != "" {
		return run(t, name, m[1])
	}
	return output, passed
}

func run(t *testing.T, name, limit string) (output string, passed bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], "-bugs", "-test.run=^"+name+"$", "-test.timeout="+limit)
	// A data race is often part of the bug. It is not what the page is about, and
	// neither is the second for which its detector holds up the exit.
	command.Env = append(os.Environ(), "GORACE=exitcode=0 atexit_sleep_ms=0", "GOTRACEBACK=all")
	out, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err == nil
}

var timedOut = regexp.MustCompile(`test timed out after (\S+)`)

// Compare fails t unless output contains the lines of want, in their order. A
// line of three dots in want stands for any number of lines; elsewhere the lines
// must follow each other. What differs from run to run is replaced in output
// first, as [Normalize] does.
func Compare(t testing.TB, want, output string) {
	t.Helper()
	if want == "" {
		t.Error("nothing to compare with")
	}
	if part := missing(want, output); part != "" {
		t.Errorf("not printed:\n%s\nprinted:\n%s", part, Normalize(output))
	}
}

// missing returns the first part of want that output does not contain.
func missing(want, output string) string {
	rest := strings.Split(Normalize(output), "\n")
	for part := range strings.SplitSeq(want, "...\n") {
		lines := strings.Split(strings.TrimSuffix(part, "\n"), "\n")
		at := find(rest, lines)
		if at < 0 {
			return part
		}
		rest = rest[at+len(lines):]
	}
	return ""
}

func find(lines, part []string) int {
	for i := range len(lines) - len(part) + 1 {
		if slices.Equal(lines[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

// Normalize replaces what differs from run to run: addresses, arguments, offsets
// and the numbers of lines and goroutines go, and so do the directories of paths.
func Normalize(output string) string {
	for _, r := range replacements {
		output = r.pattern.ReplaceAllString(output, r.with)
	}
	return output
}

var replacements = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\r\n`), "\n"},
	{regexp.MustCompile(`(?m) +$`), ""},
	{regexp.MustCompile(`goroutine \d+`), "goroutine N"},
	{regexp.MustCompile(`synctest bubble \d+`), "synctest bubble N"},
	{regexp.MustCompile(`\((\d+\.\d+s|\d+s)\)`), "(N s)"},
	{regexp.MustCompile(`(?m)(\S*[/\\])?(\w+\.go):\d+(:\d+)?( \+0x[0-9a-f]+)?`), "$2:N"},
	{regexp.MustCompile(`0x[0-9a-f]+`), "0xN"},
	{regexp.MustCompile(`(\S)\t+`), "$1\t"},
	{regexp.MustCompile(` \[recovered, repanicked\]`), ""},
	{regexp.MustCompile(`(?m)^(\t*(?:\S*/)?(?:\w+\.)+(?:\(\*?\w+(?:\[\.\.\.\])?\)\.)?[\w.]+)\([^()]*\)$`), "$1(...)"},
	{regexp.MustCompile(`github\.com/coterie-go/coterie/docs/`), ""},
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprint("shown: ", err))
	}
}
