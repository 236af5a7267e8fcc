// Coterievet finds misuse of goroutines and of those who own them, and moves code to
// coterie.
//
//	coterievet ./...                       what is a bug on every run
//	coterievet -barego ./...               that, and go statements
//	coterievet -waiterr ./...              only dropped errors
//	coterievet -fix ./...                  rewrites code to coterie, until nothing changes
//	coterievet -fix -diff ./...            shows the first step of that
//	go vet -vettool=$(which coterievet) ./...
//	go fix -fixtool=$(which coterievet) ./...
//	coterievet help [analyzer]
//
// Alone it runs the go command with itself as the tool, which keeps results in the
// build cache.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/coterie-go/coterie/group/vet"
)

func main() {
	args := os.Args[1:]
	if isTool(args) {
		os.Args = append(os.Args[:1], choose(args)...)
		unitchecker.Main(slices.Concat(vet.Analyzers, vet.Optional, vet.Fixers)...)
	}
	code, err := alone(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "coterievet:", err)
	}
	os.Exit(code)
}

// isTool reports whether the go command has started the program for one package, or
// asks it for its flags.
func isTool(args []string) bool {
	if len(args) == 0 {
		return false
	}
	return args[0] == "help" || strings.HasPrefix(args[0], "-V") || args[0] == "-flags" ||
		strings.HasSuffix(args[len(args)-1], ".cfg")
}

// choose replaces the flags that turn analyzers on and off by one for each that is to run.
//
// Of the analyzers that are on by default, naming one leaves out the others. Naming an optional one
// adds it. With -fix only the fixers run.
func choose(args []string) []string {
	if !strings.HasSuffix(args[len(args)-1], ".cfg") {
		return args
	}
	on, off, rest, fix := parse(args)
	chosen := pick(vet.Analyzers, on)
	fixers := pick(vet.Fixers, on)
	switch {
	case fix && len(fixers) == 0:
		chosen, fixers = nil, vet.Fixers
	case fix:
		chosen = nil
	case len(chosen) == 0 && len(fixers) == 0:
		chosen = vet.Analyzers
	}
	if !fix {
		chosen = slices.Concat(chosen, pick(vet.Optional, on))
	}
	var flags []string
	for _, a := range slices.Concat(chosen, fixers) {
		if !off[a.Name] {
			flags = append(flags, "-"+a.Name)
		}
	}
	if len(flags) == 0 { // all are off
		for _, a := range slices.Concat(vet.Analyzers, vet.Optional, vet.Fixers) {
			flags = append(flags, "-"+a.Name+"=false")
		}
	}
	return append(flags, rest...)
}

// parse tells the flags that turn analyzers on and off from the other arguments.
func parse(args []string) (on, off map[string]bool, rest []string, fix bool) {
	on, off = make(map[string]bool), make(map[string]bool)
	known := make(map[string]bool)
	for _, a := range slices.Concat(vet.Analyzers, vet.Optional, vet.Fixers) {
		known[a.Name] = true
	}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case !strings.HasPrefix(arg, "-") || !known[name]:
			rest = append(rest, arg)
			fix = fix || name == "fix" && strings.HasPrefix(arg, "-") && value != "false"
		case value == "" || value == "true" || value == "1":
			on[name] = true
		default:
			off[name] = true
		}
	}
	return on, off, rest, fix
}

func pick(from []*analysis.Analyzer, on map[string]bool) []*analysis.Analyzer {
	var picked []*analysis.Analyzer
	for _, a := range from {
		if on[a.Name] {
			picked = append(picked, a)
		}
	}
	return picked
}

// mostRounds bounds how often fixes are applied: each rewrite leaves less to do.
const mostRounds = 10

// alone runs go vet, or go fix, with this program as the tool.
func alone(args []string) (code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	_, _, _, fix := parse(args)
	if !fix {
		return command(append([]string{"vet", "-vettool=" + self}, args...))
	}
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		return strings.TrimLeft(arg, "-") == "fix" || strings.TrimLeft(arg, "-") == "fix=true"
	})
	fixing := append([]string{"fix", "-fixtool=" + self}, args...)
	if slices.Contains(args, "-diff") || slices.Contains(args, "--diff") {
		return command(fixing)
	}
	for range mostRounds {
		if code, err := command(fixing); code != 0 || err != nil {
			return code, err
		}
		if clean, err := nothingToFix(fixing); clean || err != nil {
			return 0, err
		}
	}
	return 1, fmt.Errorf("fixes still change the code after %d rounds", mostRounds)
}

// nothingToFix reports whether a further round would change nothing.
func nothingToFix(fixing []string) (bool, error) {
	cmd := exec.Command("go", slices.Insert(slices.Clone(fixing), 1, "-diff")...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, err
	}
	return len(out) == 0, nil
}

// command runs the go command and returns its exit code.
func command(args []string) (int, error) {
	cmd := exec.Command("go", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
