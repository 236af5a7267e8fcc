package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file holds how a mutant is tried: it is built with an overlay, so that the tree never
// changes, and the tests of the packages that can see it run one after another until one fails.

// A verdict is what became of a mutant.
type verdict string

const (
	killed   verdict = "killed"
	timedOut verdict = "timed out"
	survived verdict = "survived"
	unbuilt  verdict = "did not build"
	excused  verdict = "equivalent"
)

// mostWithout is how long the tests of a package may take without a mutant.
const mostWithout = 10 * time.Minute

// again is how often a test that has failed is run by itself, at most, to fail again.
const again = 3

// A runner builds and runs tests.
type runner struct {
	program    *program
	buildFlags []string
	testFlags  []string
	late       string        // a regexp of tests that run only if all others have passed
	timeout    time.Duration // of the tests of a package, at most
	memory     int64         // bytes that a test may use; 0: any number
	parallel   int           // tests that run at once

	took map[string]time.Duration // how long the tests of a package take without a mutant
}

// A result is a verdict and what showed it.
type result struct {
	verdict
	by string // "pool TestClose"
}

// baseline runs all tests without a mutant.
func (r *runner) baseline() error {
	r.took = map[string]time.Duration{}
	for _, t := range r.program.targets {
		if !t.hasTests() {
			continue
		}
		tmp, err := os.MkdirTemp("", "tests")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		b, err := r.build(t.listed, nil, tmp)
		if err != nil {
			return err
		}
		begin := time.Now()
		if res, out := r.test(b, mostWithout); res.verdict != survived {
			return fmt.Errorf("the tests of %s fail without a mutant: %s\n%s", t.ImportPath, res.by, out)
		}
		r.took[t.ImportPath] = time.Since(begin)
	}
	return nil
}

// try builds a mutant by itself, and tests it.
func (r *runner) try(m *mutant) (result, error) {
	tmp, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(tmp)
	env, err := overlay(tmp, map[string][]byte{m.file.path: m.mutated()})
	if err != nil {
		return result{}, err
	}
	for _, tester := range r.order(m.target) {
		b, err := r.build(tester, env, tmp)
		if err != nil {
			return result{unbuilt, err.Error()}, nil
		}
		if res, _ := r.test(b, r.most(tester)); res.verdict != survived {
			return res, nil
		}
	}
	return result{verdict: survived}, nil
}

// overlay writes files to a directory, and returns the environment in which the go command takes
// them for those of the tree. It is the environment, so that programs that the tests build have the mutant, too.
func overlay(tmp string, files map[string][]byte) (env []string, err error) {
	replaced := map[string]string{}
	for path, text := range files {
		replaced[path] = filepath.Join(tmp, fmt.Sprintf("%d.go", len(replaced)))
		if err := os.WriteFile(replaced[path], text, 0o600); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(tmp, "overlay.json")
	return []string{"GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+path)}, os.WriteFile(path, text, 0o600)
}

// most is how long the tests of a package may take with a mutant. Others run at the same time.
func (r *runner) most(l *listed) time.Duration {
	return min(r.timeout, 15*time.Second+3*time.Duration(r.parallel)*r.took[l.ImportPath])
}

// order returns the packages whose tests can see a mutant of t: its own, and then the quick ones first.
func (r *runner) order(t *target) []*listed {
	all := r.program.testers(t)
	slices.SortStableFunc(all, func(a, b *listed) int { return int(r.took[a.ImportPath] - r.took[b.ImportPath]) })
	if i := slices.Index(all, t.listed); i > 0 {
		copy(all[1:], all[:i])
		all[0] = t.listed
	}
	return all
}

// A testBinary is the built tests of a package.
type testBinary struct {
	*listed
	path  string
	env   []string
	skips []string // tests that do not run
}

// build builds the tests of a package.
func (r *runner) build(l *listed, env []string, tmp string) (*testBinary, error) {
	path := filepath.Join(tmp, strings.ReplaceAll(l.ImportPath, "/", "_")+".test")
	build := exec.Command("go", slices.Concat([]string{"test", "-c", "-vet=off", "-o", path}, r.buildFlags, []string{l.ImportPath})...)
	build.Dir, build.Env = r.program.dir, append(os.Environ(), env...)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, errors.New(lastLine(out))
	}
	return &testBinary{listed: l, path: path, env: env}, nil
}

// test runs the tests of a package. It returns survived if they pass. A test that fails has to fail
// again by itself. If it does not, because the machine was busy, the others run without it.
func (r *runner) test(b *testBinary, timeout time.Duration, env ...string) (result, []byte) {
	without := *b
	for {
		res, out := r.testOnce(&without, timeout, env...)
		if res.verdict != killed && res.verdict != timedOut {
			return res, out
		}
		name := failedName(out)
		most, args := timeout, []string{"-test.failfast", "-test.skip=" + skip(b.skips)}
		if took, ok := r.took[b.ImportPath]; ok && name != "" {
			most = min(most, 15*time.Second+took)
		}
		if name != "" {
			args = append(args, "-test.run=^"+name+"$")
		}
		args = slices.Concat(args, r.testFlags, []string{"-test.timeout=0"})
		for range again {
			v, _ := r.runTests(b.path, b.Dir, slices.Concat(b.env, env), args, most+5*time.Second)
			if v != survived {
				return result{v, res.by}, out
			}
		}
		if name == "" {
			return result{verdict: survived}, nil
		}
		without.skips = append(slices.Clone(without.skips), "^"+name+"$")
	}
}

// testOnce runs the tests of a package once.
func (r *runner) testOnce(b *testBinary, timeout time.Duration, env ...string) (result, []byte) {
	short := b.ImportPath[strings.LastIndexByte(b.ImportPath, '/')+1:]
	parts := [][]string{nil}
	if r.late != "" {
		parts = [][]string{{"-test.skip=" + skip(append(b.skips, r.late))}, {"-test.run=" + r.late, "-test.skip=" + skip(b.skips)}}
	} else if len(b.skips) > 0 {
		parts[0] = []string{"-test.skip=" + skip(b.skips)}
	}
	for _, part := range parts {
		args := slices.Concat([]string{"-test.failfast", "-test.timeout=0"}, r.testFlags, part)
		v, out := r.runTests(b.path, b.Dir, slices.Concat(b.env, env), args, timeout+5*time.Second)
		if v != survived {
			return result{v, short + " " + failed(out)}, out
		}
	}
	return result{verdict: survived}, nil
}

// skip returns a regexp for the flag -test.skip.
func skip(tests []string) string {
	if len(tests) == 0 {
		return "^$"
	}
	return strings.Join(tests, "|")
}

// runTests runs a test binary. It ends it, and all that it has started, when it takes too long or too much.
func (r *runner) runTests(binary, dir string, env, args []string, timeout time.Duration) (verdict, []byte) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	command := exec.CommandContext(ctx, binary, args...)
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	inGroup(command)
	command.WaitDelay = time.Second
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Start(); err != nil {
		return unbuilt, []byte(err.Error())
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		r.watch(command.Process.Pid, timeout, ended, cancel)
	}()
	err := command.Wait()
	close(ended)
	<-watched
	switch {
	case err == nil:
		return survived, nil
	case ctx.Err() != nil || bytes.Contains(out.Bytes(), []byte("panic: test timed out after")):
		return timedOut, out.Bytes()
	}
	return killed, out.Bytes()
}

// watch calls cancel when a process takes too long or uses too much memory. Where /proc says so, the
// time in which the process was stopped, or waited for a processor, does not count.
func (r *runner) watch(pid int, timeout time.Duration, ended <-chan struct{}, cancel func()) {
	const every = 500 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	idle := time.Duration(0) // how long no process of the group could run
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		used, waits := usageOf(pid)
		if waits {
			idle += every
		}
		if used+idle > timeout || r.memory > 0 && memoryOf(pid) > r.memory {
			cancel()
			return
		}
	}
}

// memoryOf returns how many bytes a process uses, or 0 if that is not known.
func memoryOf(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// usageOf returns the processor time of a group of processes, and whether none of their threads could
// run. Without /proc it returns 0 and true.
func usageOf(group int) (used time.Duration, waits bool) {
	const tick = 10 * time.Millisecond
	waits = true
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		fields := statOf(path)
		if len(fields) < 15 || fields[2] != strconv.Itoa(group) {
			continue
		}
		for _, field := range fields[11:15] { // its own, and that of children that have ended
			n, _ := strconv.ParseInt(field, 10, 64)
			used += time.Duration(n) * tick
		}
		threads, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "task", "*", "stat"))
		for _, thread := range threads {
			if fields := statOf(thread); len(fields) > 0 && strings.Contains("RDTt", fields[0]) {
				waits = false
			}
		}
	}
	return used, waits
}

// statOf returns the fields of a stat file of /proc after the name of the process: its state first.
func statOf(path string) []string {
	text, _ := os.ReadFile(path)
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

var failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)|^(panic: .*|fatal error: .*|FAIL: .*)|running tests:\n\t+(\S+)`)

var named = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)|running tests:\n\t+(\S+)`)

// failed says what has failed first in the output of a test.
func failed(out []byte) string {
	text := ""
	for _, m := range failure.FindAllSubmatch(out, 20) {
		if name := string(slices.Concat(m[1], m[3])); name != "" {
			return strings.TrimSpace(name + " " + text)
		}
		if text == "" {
			text = string(m[2])
		}
	}
	if text == "" {
		text = lastLine(out)
	}
	return text
}

// failedName returns the name of the test that failed first, or "".
func failedName(out []byte) string {
	m := named.FindSubmatch(out)
	if m == nil {
		return ""
	}
	name, _, _ := strings.Cut(string(slices.Concat(m[1], m[2])), "/")
	return name
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
