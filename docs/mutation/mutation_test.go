package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A small module: low is mutated, and high, whose tests see low's mutants, too. So do those of beside,
// which import high.
var fixture = map[string]string{
	"go.mod": "module example.com/fixture\n\ngo 1.26.0\n",
	"low/low.go": `package low

const hidden = false

// Max is tested here.
func Max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

// Big is tested in high.
func Big(n int) bool { return n >= 10 }

// Until is tested nowhere, but a mutant of it does not end.
func Until(n int) (i int) {
	for i < n {
		if hidden && n > 7 || hides(n) {
			onlyHidden()
		}
		i++
	}
	return i
}

// Untested is tested nowhere.
func Untested(c chan int) {
	defer close(c)
	c <- len(c)
}

func onlyHidden() { println("never") }

func hides(n int) bool { return hidden && (n > 7 || hides(n+1)) }

// Small is tested in beside.
func Small(n int) bool { return n < 0 }
`,
	"low/low_test.go": `package low

import "testing"

func TestMax(t *testing.T) {
	if Max(1, 2) != 2 || Max(2, 1) != 2 || Until(1) != 1 {
		t.Fatal("wrong")
	}
}
`,
	"high/high.go": `package high

import "example.com/fixture/low"

func Bigger(n int) bool { return low.Big(n + 1) }

func Smaller(n int) bool { return low.Small(n) }
`,
	"beside/beside_test.go": `package beside_test

import (
	"testing"

	"example.com/fixture/high"
)

func TestSmaller(t *testing.T) {
	if high.Smaller(0) || !high.Smaller(-1) {
		t.Fatal("wrong")
	}
}
`,
	"high/high_test.go": `package high

import "testing"

func TestBigger(t *testing.T) {
	if Bigger(8) || !Bigger(9) {
		t.Fatal("wrong")
	}
}
`,
}

const fixtureEquivalents = `
low/low.go Max
a > b
> to >=
Of two equal numbers either is the larger.

low/low.go Gone
x
*
There is no such function.
`

func writeFixture(t *testing.T) *settings {
	dir := t.TempDir()
	for name, text := range fixture {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	equivalents := filepath.Join(dir, "equivalents.txt")
	if err := os.WriteFile(equivalents, []byte(fixtureEquivalents), 0o600); err != nil {
		t.Fatal(err)
	}
	return &settings{dir: dir, packages: "./low,./high,./beside", equivalents: equivalents, parallel: 2, timeout: 5 * time.Second}
}

// lines runs the program and returns the lines that it prints about mutants, without places and blanks.
func lines(t *testing.T, s *settings) (mutants []string, rest string) {
	t.Helper()
	t.Setenv("GOFLAGS", "")
	var out strings.Builder
	if err := run(&out, s); err != nil {
		t.Fatal(err)
	}
	text, rest, _ := strings.Cut(out.String(), "\n\n")
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "  [")
		mutants = append(mutants, strings.Join(strings.Fields(line), " "))
	}
	slices.Sort(mutants)
	return mutants, rest
}

func TestMutants(t *testing.T) {
	s := writeFixture(t)
	before := read(t, s.dir)
	want := []string{
		"equivalent low/low.go:7 Max: a > b: > to >=",
		"killed high/high.go:5 Bigger: func Bigger(n int) bool { return low.Big(n + 1) }: 1 to 2",
		"killed high/high.go:5 Bigger: n + 1: + to -",
		"killed high/high.go:5 Bigger: return low.Big(n + 1): negate result",
		"killed low/low.go:14 Big: func Big(n int) bool { return n >= 10 }: 10 to 11",
		"killed low/low.go:14 Big: n >= 10: >= to >",
		"killed low/low.go:14 Big: return n >= 10: negate result",
		"killed low/low.go:10 Max: return b: return zero",
		"killed low/low.go:18 Until: i < n: < to <=",
		"killed low/low.go:18 Until: i < n: negate condition",
		"killed low/low.go:24 Until: return i: return zero",
		"killed low/low.go:7 Max: a > b: negate condition",
		"killed low/low.go:8 Max: return a: return zero",
		"killed high/high.go:7 Smaller: return low.Small(n): negate result",
		"killed low/low.go:38 Small: func Small(n int) bool { return n < 0 }: 0 to 1",
		"killed low/low.go:38 Small: n < 0: < to <=",
		"killed low/low.go:38 Small: return n < 0: negate result",
		"survived low/low.go:29 Untested: defer close(c): remove defer",
		"survived low/low.go:30 Untested: c <- len(c): delete statement",
		"killed low/low.go:22 Until: i++: delete statement",
	}
	slices.Sort(want)
	got, rest := lines(t, s)
	endless := "timed out low/low.go:22 Until: i++: delete statement"
	if !slices.Contains(got, endless) {
		t.Errorf("not found: %s", endless)
	}
	for i := range got { // where the machine is busy, others may time out, too
		got[i] = strings.Replace(got[i], "timed out", "killed", 1)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, part := range []string{"89.5 %", "one that there is not: low/low.go Gone: x: *"} {
		if !strings.Contains(rest, part) {
			t.Errorf("the report lacks %q:\n%s", part, rest)
		}
	}
	if !slices.Equal(read(t, s.dir), before) {
		t.Error("the tree has changed")
	}
}

// read returns the names and the texts of all files.
func read(t *testing.T, dir string) (all []string) {
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, path, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestChoice(t *testing.T) {
	s := writeFixture(t)
	s.list = true
	all, _ := lines(t, s)
	if len(all) != 20 {
		t.Errorf("got %d mutants", len(all))
	}
	s.sample = 5
	some, _ := lines(t, s)
	again, _ := lines(t, s)
	s.seed = 7
	others, _ := lines(t, s)
	if len(some) != 5 || !slices.Equal(some, again) || slices.Equal(some, others) {
		t.Errorf("samples: %q, %q, %q", some, again, others)
	}
	s.sample, s.only = 0, "Untested"
	some, _ = lines(t, s)
	if len(some) != 2 {
		t.Errorf("got %q", some)
	}
}

// A test that fails once, without need, kills no mutant.
func TestFailsAgain(t *testing.T) {
	s := writeFixture(t)
	mark := filepath.Join(t.TempDir(), "mark")
	t.Setenv("MARK", mark)
	text := `package low

import (
	"os"
	"testing"
)

func TestOnce(t *testing.T) {
	_, err := os.Stat(os.Getenv("MARK"))
	if Until(3) != 0 { // as a mutant returns
		return
	}
	if os.WriteFile(os.Getenv("MARK"), nil, 0o600); err != nil {
		t.Fatal("for the first time")
	}
}
`
	if err := os.WriteFile(filepath.Join(s.dir, "low", "once_test.go"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.dir, "low", "low_test.go")); err != nil {
		t.Fatal(err)
	}
	s.packages, s.only, s.quick = "./low", "return i: return zero|Untested: defer", true
	want := []string{
		"survived low/low.go:24 Until: return i: return zero",
		"survived low/low.go:29 Untested: defer close(c): remove defer",
	}
	if got, _ := lines(t, s); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := os.Stat(mark); err != nil {
		t.Error("the test has not failed")
	}
}

// The code may have changed since an entry of equivalents.txt was written.
func TestEachEquivalentMutantExists(t *testing.T) {
	s := &settings{dir: "../..", equivalents: "equivalents.txt", list: true, packages: mutated, with: alsoTested}
	if _, rest := lines(t, s); rest != "" {
		t.Error(rest)
	}
}

func TestTheTestThatTakesTooLongIsKnown(t *testing.T) {
	for _, out := range []string{
		"panic: test timed out after 1s\n\trunning tests:\n\t\tTestSlow (1s)\n",
		"panic: test timed out after 1s\nrunning tests:\n\tTestSlow (1s)\n",
		"panic: test timed out after 1s\n\trunning tests:\n\t\tTestSlow/part (1s)\n",
	} {
		if got := failedName([]byte(out)); got != "TestSlow" {
			t.Errorf("%q of %q", got, out)
		}
	}
}
