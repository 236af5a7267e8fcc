package service

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// This file turns services into members that know their neighbours, and refuses
// those that cannot run. The graph it returns has no circle, so each member can
// start once those before it have, and stop once those after it have.

// newMembers checks and links services. path is the path of their owner.
func newMembers(path string, opts Options, services []Service) ([]*member, error) {
	if err := cmp.Or(negative("Options.Grace", opts.Grace), negative("Options.StartWithin", opts.StartWithin)); err != nil {
		return nil, refuse(path, err)
	}
	members := make([]*member, len(services))
	byName := make(map[string]*member)
	for i, s := range services {
		if s.Name == "" {
			return nil, refuse(path, fmt.Errorf("empty name of service %d of %d", i+1, len(services)))
		}
		m := &member{Service: s, path: join(path, s.Name)}
		if byName[s.Name] != nil {
			return nil, refuse(m.path, errors.New("double name"))
		}
		if err := m.check(); err != nil {
			return nil, refuse(m.path, err)
		}
		m.Grace = cmp.Or(m.Grace, opts.Grace)
		members[i], byName[s.Name] = m, m
	}
	for _, m := range members {
		for _, name := range m.After {
			before := byName[name]
			if before == nil {
				return nil, refuse(m.path, fmt.Errorf("no such service in After, got %q", name))
			}
			m.after = append(m.after, before)
			before.users = append(before.users, m)
		}
	}
	for _, m := range members {
		if circle := m.findCircle(nil); circle != nil {
			return nil, refuse(join(path, circle[0]), fmt.Errorf("circular After: %s", printable(strings.Join(circle, " after "))))
		}
	}
	return members, nil
}

// check returns what is wrong with the service by itself.
func (m *member) check() error {
	if m.Run == nil {
		return errors.New("nil Run")
	}
	return cmp.Or(negative("Grace", m.Grace), negative("Restart.Max", m.Restart.Max), negative("Restart.Within", m.Restart.Within))
}

func negative[T ~int | ~int64](field string, n T) error {
	if n < 0 {
		return fmt.Errorf("negative %s, got %v", field, n)
	}
	return nil
}

// refuse returns the error for bad input to the owner or service of the given path.
func refuse(path string, err error) error {
	return fmt.Errorf("service: %s: %w", printable(cmp.Or(path, "Run")), err)
}

// findCircle returns the names of a circle that m leads to, of which each comes after
// the next and the last is the first again, or nil. passed are those that led to m.
func (m *member) findCircle(passed []string) []string {
	if m.acyclic {
		return nil
	}
	passed = append(passed, m.Name)
	if i := slices.Index(passed, m.Name); i < len(passed)-1 {
		return passed[i:]
	}
	for _, before := range m.after {
		if circle := before.findCircle(passed); circle != nil {
			return circle
		}
	}
	m.acyclic = true
	return nil
}

// join returns the path of name within parent.
func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "/" + name
}

// printable quotes path if it would not be readable in the middle of a line.
func printable(path string) string {
	if quoted := strconv.Quote(path); quoted[1:len(quoted)-1] != path {
		return quoted
	}
	return path
}
