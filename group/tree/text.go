package tree

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// This file writes the snapshot as text, and has the wording that text and page share.

func (s *Snapshot) text() string {
	var b strings.Builder
	b.WriteString(s.headline() + "\n")
	for _, w := range s.Warnings {
		b.WriteString("\n! " + w)
	}
	if len(s.Warnings) > 0 {
		b.WriteString("\n")
	}
	if waits := s.longest(); len(waits) > 0 {
		b.WriteString("\nlongest waits:\n")
		for _, w := range waits {
			b.WriteString("  " + w + "\n")
		}
	}
	for i := range s.Owners {
		s.Owners[i].write(&b)
	}
	if s.LeftOut != "" {
		b.WriteString("\nleft out: " + s.LeftOut + "\n")
	}
	return b.String()
}

// headline returns the numbers of owners, tasks and warnings, and the time.
func (s *Snapshot) headline() string {
	running := 0
	for i := range s.Owners {
		running += s.Owners[i].Running
	}
	return fmt.Sprintf("coterie: %s, %s, %s, at %s", count(len(s.Owners), "owner"), tasks(running),
		count(len(s.Warnings), "warning"), s.Time.Format("2006-01-02 15:04:05 MST"))
}

func (o *Owner) write(b *strings.Builder) {
	indent := strings.Repeat("  ", min(o.Depth, 20))
	fmt.Fprintf(b, "\n%s%s  %s, %s\n", indent, printable(o.Path), o.Kind, strings.Join(o.facts(), ", "))
	for _, t := range o.Tasks {
		fmt.Fprintf(b, "%s  - %s\n", indent, t.line())
		for line := range strings.Lines(t.Stack) {
			if line = strings.TrimRight(line, "\n"); !strings.HasPrefix(line, "goroutine ") {
				fmt.Fprintf(b, "%s      %s\n", indent, line)
			}
		}
	}
	if o.Unlisted > 0 {
		fmt.Fprintf(b, "%s  - %d more that run\n", indent, o.Unlisted)
	}
}

// facts returns the description of an owner that follows its name.
func (o *Owner) facts() []string {
	facts := []string{o.state(), o.load()}
	for _, ws := range [][]Waiter{o.Submitters, o.Waiters} {
		if len(ws) > 0 {
			facts = append(facts, waiting(ws))
		}
	}
	facts = append(facts, o.counts(), words(o.Age)+" old")
	if o.Made != "" {
		facts = append(facts, "made at "+o.Made)
	}
	return facts
}

// state returns the state of the owner, and why it was cancelled if it was.
func (o *Owner) state() string {
	c := o.Cancelled
	if c == nil || o.State == Closed {
		return string(o.State)
	}
	text := "cancelled " + words(c.Age) + " ago"
	if c.AtLeast {
		text = "cancelled at least " + words(c.Age) + " ago"
	}
	if c.By != "" {
		text += " by " + printable(c.By)
	}
	if c.Why != "" {
		text += " (" + printable(c.Why) + ")"
	}
	return text
}

// load returns how many tasks run and are queued, with the limits.
func (o *Owner) load() string {
	text := fmt.Sprintf("%d running", o.Running)
	if o.Limit != Unlimited {
		text += fmt.Sprintf(" of %d", o.Limit)
	}
	if o.Queued > 0 || o.Queue > 0 {
		text += fmt.Sprintf(", %d queued", o.Queued)
	}
	if o.Queue > 0 {
		text += fmt.Sprintf(" of %d", o.Queue)
	}
	if o.Keyed > 0 {
		text += fmt.Sprintf(", %d waiting for their keys", o.Keyed)
	}
	return text
}

func (o *Owner) counts() string {
	text := fmt.Sprintf("%d ended", o.Ended)
	for _, c := range []struct {
		n    uint64
		what string
	}{{o.Failed, "failed"}, {o.Panicked, "panicked"}, {o.Dropped, "dropped"}} {
		if c.n > 0 {
			text += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	return text
}

// waiting returns the goroutine that has waited longest, and the number of the others.
func waiting(ws []Waiter) string {
	what := "waits for its tasks"
	switch ws[0].For {
	case Room:
		what = "waits for room"
	case Permit:
		what = "waits for its semaphore"
	case SomeTasks:
		what = "waits for some of its tasks"
	}
	text := fmt.Sprintf("%s %s for %s", ws[0].who(), what, words(ws[0].Age))
	if len(ws) > 1 {
		text += fmt.Sprintf(", and %d more", len(ws)-1)
	}
	return text
}

// line describes a task, without its stack.
func (t *Task) line() string {
	var b strings.Builder
	if t.Count > 1 {
		fmt.Fprintf(&b, "%d × ", t.Count)
	}
	b.WriteString(printable(t.Path) + ": " + t.State)
	if t.WaitsFor != "" || t.Waited > 0 {
		fmt.Fprintf(&b, " for %s", words(t.Waited))
	}
	if !t.runs() && t.Age > 0 {
		fmt.Fprintf(&b, " for %s", words(t.Age))
	}
	if t.Place != "" {
		b.WriteString(" at " + t.Place)
	}
	if t.runs() {
		fmt.Fprintf(&b, ", begun %s ago", words(t.Age))
	}
	if t.Ignored > 0 {
		fmt.Fprintf(&b, ", its context is done for %s", words(t.Ignored))
	}
	return b.String()
}

const mostWaits = 5

// longest returns the longest waits, in words.
func (s *Snapshot) longest() []string {
	type waits struct {
		Waiter
		owner *Owner
	}
	var all []waits
	for i := range s.Owners {
		o := &s.Owners[i]
		for _, w := range slices.Concat(o.Submitters, o.Waiters, o.Loops) {
			all = append(all, waits{w, o})
		}
	}
	slices.SortStableFunc(all, func(a, b waits) int { return cmp.Compare(b.Age, a.Age) })
	var texts []string
	for _, w := range all[:min(len(all), mostWaits)] {
		what := map[Reason]string{
			Room: "room in ", Permit: "the semaphore of ", AllTasks: "the tasks of ", SomeTasks: "tasks of ", Items: "items of a loop in ",
		}[w.For]
		texts = append(texts, fmt.Sprintf("%s waits for %s%s for %s", w.who(), what, printable(w.owner.Path), words(w.Age)))
	}
	return texts
}

func tasks(n int) string { return count(n, "task") }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// words returns a duration in words: "3 min".
func words(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// printable returns name, in quotes if it has characters that are not printable.
func printable(name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return strconv.Quote(name)
		}
	}
	return name
}
