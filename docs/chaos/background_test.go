package chaos_test

import (
	"context"

	"github.com/coterie-go/coterie/core"
)

// serve ends a background task: it waits until its context is done, and may report that.
func (f *frame) serve() error {
	l := f.inner()
	late := l.ctx.Err() != nil
	<-l.ctx.Done()
	*f.out = outcome{end: endServe}
	switch {
	case l.rec.at.ctx.Err() != nil:
	case context.Cause(l.ctx) != core.ErrDone:
		f.run.violation("the context of background task %d ends for %v", l.rec.id, context.Cause(l.ctx))
	case !late:
		l.o.dismissed(l.rec)
	}
	switch l.rec.id % 3 {
	case 0:
		return l.ctx.Err()
	case 1:
		return context.Cause(l.ctx)
	}
	return nil
}

// dismissed checks that it is time for a background task of the owner to end: all others have ended, and
// somebody waits. In fake time it checks that this came true at this instant.
func (o *ownerRun) dismissed(r *record) {
	now := o.run.now()
	o.mu.Lock()
	defer o.mu.Unlock()
	waits, came := len(o.waiting) > 0 || o.gaveUp == now, r.begunAt == now
	for w := range o.waiting {
		came = came || w.began == now
	}
	for _, other := range o.records {
		if other.background || other.body {
			continue
		}
		switch s := other.state.Load(); {
		case s == begun && other.begunAt < now, s == fresh && other.accepted.Load() && other.acceptedAt < now:
			if o.run.fake {
				o.run.violation("background task %d is told to end, and task %d has not ended", r.id, other.id)
			}
		case s == begun, s == ended && other.ended == now:
			came = true
		}
	}
	switch {
	case o.run.fake && !waits, !o.run.fake && o.gaveUp < 0 && !waits:
		o.run.violation("background task %d is told to end, and nobody waits for %s", r.id, o.label)
	case o.run.fake && !came && o.gaveUp != now:
		o.run.violation("background task %d is told to end at %d, and might have been before", r.id, now)
	}
}
