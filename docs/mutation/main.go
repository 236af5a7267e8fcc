// Mutation changes the source of packages, one place at a time, and runs their tests to see
// whether they notice. See README.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"time"
)

// settings are what the command line says.
type settings struct {
	dir, packages, with, tags, only, late, equivalents, report string
	sample, parallel                                           int
	seed                                                       uint64
	timeout, budget                                            time.Duration
	memory                                                     int64
	race, short, list, quick                                   bool
}

// The packages of this module that are mutated, and those whose tests run, too.
const (
	mutated    = "./core,./core/internal/...,./core/race,./core/sched,./group,./errgroup,./pool,./pool/internal/..."
	alsoTested = "./group/tree,./group/service,./docs/chaos"
)

func main() {
	var s settings
	flag.StringVar(&s.dir, "dir", "../..", "directory of the module")
	flag.StringVar(&s.packages, "packages", mutated, "packages to mutate, whose tests run; separated by commas")
	flag.StringVar(&s.with, "with", alsoTested, "packages whose tests run, too, but which are not mutated")
	flag.IntVar(&s.sample, "sample", 0, "how many mutants to try; 0: all")
	flag.Uint64Var(&s.seed, "seed", 1, "seed of the sample")
	flag.DurationVar(&s.timeout, "timeout", 3*time.Minute, "most that the tests of one package may take with a mutant")
	flag.DurationVar(&s.budget, "budget", 0, "begin no mutant after so long; 0: no bound")
	flag.Int64Var(&s.memory, "memory", 3<<30, "bytes that a test may use; 0: any number")
	flag.IntVar(&s.parallel, "parallel", 1, "mutants tried at once")
	flag.BoolVar(&s.race, "race", false, "mutate and test what a build with -race has")
	flag.BoolVar(&s.short, "short", false, "run tests with -short")
	flag.BoolVar(&s.quick, "quick", false, "do not try survivors again by themselves: tests that count allocations may not have seen them")
	flag.StringVar(&s.tags, "tags", "", "build tags")
	flag.StringVar(&s.only, "only", "", "regexp that a line of the report must match, such as 'queue.go|(*Pool).Close'")
	flag.StringVar(&s.late, "late", "", "regexp of tests that run only if all others have passed")
	flag.StringVar(&s.equivalents, "equivalents", "equivalents.txt", "list of equivalent mutants")
	flag.StringVar(&s.report, "report", "", "file to write the report to, beside standard output")
	flag.BoolVar(&s.list, "list", false, "only list the mutants")
	flag.Parse()
	if err := run(os.Stdout, &s); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

func (s *settings) buildFlags() (flags []string) {
	if s.race {
		flags = append(flags, "-race")
	}
	if s.tags != "" {
		flags = append(flags, "-tags="+s.tags)
	}
	return flags
}

func run(out io.Writer, s *settings) error {
	if s.report != "" {
		f, err := os.Create(s.report)
		if err != nil {
			return err
		}
		defer f.Close()
		out = io.MultiWriter(out, f)
	}
	equivalents, err := readEquivalents(s.equivalents)
	if err != nil {
		return err
	}
	var with []string
	if s.with != "" {
		with = strings.Split(s.with, ",")
	}
	p, err := load(s.dir, s.buildFlags(), strings.Split(s.packages, ","), with)
	if err != nil {
		return err
	}
	mutants, err := p.choose(s, equivalents)
	if err != nil {
		return err
	}
	if s.list {
		for _, m := range mutants {
			fmt.Fprintln(out, tried{m, result{verdict: "mutant"}}.describe())
		}
		fmt.Fprintln(out)
		reportUnknown(out, equivalents)
		return nil
	}
	r := &runner{program: p, buildFlags: s.buildFlags(), parallel: max(1, s.parallel), late: s.late, timeout: s.timeout, memory: s.memory}
	if s.short {
		r.testFlags = []string{"-test.short"}
	}
	if err := r.baseline(); err != nil {
		return err
	}
	all, err := r.tryAll(out, s, mutants, equivalents)
	fmt.Fprintln(out)
	report(out, all, equivalents)
	return err
}

// choose returns the mutants of the sample, in the order of trial.
func (p *program) choose(s *settings, equivalents []*equivalent) (all []*mutant, err error) {
	only, err := regexp.Compile(s.only)
	if err != nil {
		return nil, err
	}
	for _, t := range p.targets {
		if t.testsOnly {
			continue
		}
		for _, m := range p.mutants(t) {
			for _, e := range equivalents {
				e.used = e.used || e.covers(m)
			}
			if only.MatchString(tried{mutant: m}.describe()) {
				all = append(all, m)
			}
		}
	}
	random := rand.New(rand.NewPCG(s.seed, 0))
	if s.sample > 0 {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:min(s.sample, len(all))]
	}
	return all, nil
}
