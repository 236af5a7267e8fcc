package chaos_test

import (
	"fmt"
	"strings"
)

// printer writes a tree for people.
type printer struct {
	strings.Builder
	depth int
}

func (p *printer) line(format string, args ...any) {
	p.WriteString(strings.Repeat("  ", p.depth))
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

func (p *printer) within(f func()) {
	p.depth++
	f()
	p.depth--
}

func (p *printer) ops(ops []*op) {
	for _, o := range ops {
		p.op(o)
	}
}

func (p *printer) op(o *op) {
	switch o.kind {
	case opOwner:
		p.owner(o.owner)
	case opLoop:
		p.loop(o.loop)
	case opFan:
		p.fan(o.fan)
	case opStart:
		p.line("%s on level %d, context of %d, for others %t, key %d:", verbs[o.verb].name, o.up, o.env, o.hand, o.key)
		p.within(func() { p.task(o.task) })
	case opBulk:
		p.line("%d times %s on level %d, context of %d, key %d", o.n, verbs[o.verb].name, o.up, o.env, o.key)
	case opWaitKey:
		p.line("WaitKey on level %d, context of %d, key %d, ticks %d", o.up, o.env, o.key, o.d)
	default:
		p.line("%s on level %d, context of %d, n %d, ticks %d", opNames[o.kind], o.up, o.env, o.n, o.d)
	}
}

func (p *printer) task(t *task) {
	p.line("task %d", t.id)
	p.within(func() {
		p.ops(t.ops)
		p.line("%s", endings[t.end])
	})
}

func (p *printer) owner(o *owner) {
	p.line("%s %d: %s", kinds[o.kind].name, o.id, o.settings())
	for i, lane := range o.lanes {
		p.within(func() {
			p.line("lane %d", i)
			p.within(func() { p.ops(lane) })
		})
	}
	if kinds[o.kind].scope {
		p.within(func() { p.line("body: %s", endings[o.end]) })
	} else {
		p.within(func() { p.line("%s, patience %d", finishes[o.finish], o.patience) })
	}
	if o.twin != nil {
		p.within(func() {
			p.line("beside it, with the same semaphore:")
			p.owner(o.twin)
		})
	}
}

// settings shows those that are not zero.
func (o *owner) settings() string {
	var shown []string
	for _, s := range []struct {
		name  string
		value any
		on    bool
	}{
		{"name", o.name, o.name != ""},
		{"limit", o.limit, o.limit != 0},
		{"permits", o.permits, o.permits != 0},
		{"queue", o.queue, o.queue != 0},
		{"capture", o.capture, o.capture},
		{"collect", o.collect, o.collect},
		{"maxErrors", o.maxErrors, o.maxErrors != 0},
		{"on level", o.on, o.kind == batchOf || o.kind == keyedOf},
		{"per key", o.perKey, o.perKey != 0},
		{"reraise", o.reraise, o.reraise},
	} {
		if s.on {
			shown = append(shown, fmt.Sprintf("%s %v", s.name, s.value))
		}
	}
	return strings.Join(shown, ", ")
}

func (p *printer) loop(l *loop) {
	p.line("%s %d: %d workers, %d items, input sleeps %d and ends by %s, fed by the body %t",
		loopNames[l.kind], l.id, l.workers, l.n, l.pace, endings[l.input], l.feed)
	p.within(func() {
		for _, item := range l.items {
			p.line("item %d", item.index)
			p.within(func() { p.task(item.task) })
		}
		if l.kind >= loopMap {
			p.line("body, which leaves after result %d by %s", l.breakAt, endings[l.bodyEnd])
			p.within(func() { p.ops(l.body) })
		}
	})
}

func (p *printer) fan(f *fan) {
	p.line("%s %d: quorum %d, stagger %d, discard %t", fanNames[f.kind], f.id, f.quorum, f.stagger, f.discard)
	p.within(func() {
		for _, fn := range f.fns {
			p.task(fn)
		}
	})
}
