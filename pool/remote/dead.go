package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// This file holds dead letters: tasks that have failed for good, each a message with the argument
// and, in a header, the record. A letter stays until it is requeued, or an operator deletes it.

// A DeadError is a task that failed as often as it may, or with a [Permanent] error, or whose
// workers died of it.
type DeadError struct {
	ID       string   // for Requeue
	Task     string   // its name
	Key      string   // as given to Submit; empty if none was
	Input    []byte   // the argument, encoded
	Attempts int      // how often it was begun
	Workers  []string // the names of those who began it, the first first
	Err      error    // of the last attempt, as text: its type stays behind
}

// Error returns the text of Err and what it is about, on one line.
func (d *DeadError) Error() string {
	return fmt.Sprintf("remote: task %s failed in attempt %d: %v", d.Task, d.Attempts, d.Err)
}

// Unwrap returns Err.
func (d *DeadError) Unwrap() error { return d.Err }

// Format writes Error, and for %+v below it the stack of the panic or Goexit that it was.
func (d *DeadError) Format(f fmt.State, verb rune) {
	io.WriteString(f, d.Error())
	if r, ok := d.Err.(*remoteError); ok && f.Flag('+') && r.stack != "" {
		fmt.Fprintf(f, "\n\n%s", r.stack)
	}
}

// A remoteError is an error that came as text.
type remoteError struct{ text, stack string }

func (e *remoteError) Error() string { return e.text }

// failure returns the error of a dead task.
func (r *record) failure(input []byte) *DeadError {
	return &DeadError{
		ID: r.Run, Task: r.Task, Key: r.Key, Input: input, Attempts: r.Attempts, Workers: r.Workers,
		Err: &remoteError{r.Error, r.Stack},
	}
}

// bury writes the dead letter of a record.
func (e *Engine) bury(ctx context.Context, r *record, input []byte) error {
	letter := *r
	letter.Owners = nil
	line, err := letter.encode()
	if err != nil {
		return err
	}
	msg := &nats.Msg{Subject: deadSubjects + r.Task + "." + r.Run, Data: input, Header: nats.Header{letterHeader: {string(line)}}}
	return e.try(ctx, func(ctx context.Context) error {
		_, err := e.js.PublishMsg(ctx, msg)
		return err
	})
}

// readLetter returns the record and the argument of a dead letter.
func readLetter(msg *jetstream.RawStreamMsg) (*record, error) {
	r := new(record)
	if err := json.Unmarshal([]byte(msg.Header.Get(letterHeader)), r); err != nil {
		return nil, fmt.Errorf("message %d of stream %s is no dead letter: %w", msg.Sequence, deadStream.Name, err)
	}
	return r, nil
}

// Dead returns the dead letters of a task, the oldest first, as far as there are any when the loop
// gets there. An error, which is context.Cause of ctx if that is done, ends the sequence. Letters
// that are requeued in the loop do not come again unless they die again meanwhile.
func Dead[In, Out any](ctx context.Context, e *Engine, t *Task[In, Out]) iter.Seq2[*DeadError, error] {
	switch {
	case ctx == nil:
		panic("remote: nil context")
	case e == nil:
		panic("remote: nil engine")
	case t == nil:
		panic("remote: nil task")
	}
	return func(yield func(*DeadError, error) bool) {
		for next := uint64(1); ; {
			msg, err := e.letter(ctx, next, deadSubjects+t.name+".*")
			if msg == nil && err == nil {
				return
			}
			var d *DeadError
			if err == nil {
				var r *record
				if r, err = readLetter(msg); err == nil {
					d, next = r.failure(msg.Data), msg.Sequence+1
				}
			}
			if err != nil {
				yield(nil, explain(ctx, err, "remote: dead letters of %s", t.name))
				return
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

// letter returns the first dead letter from a sequence on, or nil.
func (e *Engine) letter(ctx context.Context, from uint64, subject string) (msg *jetstream.RawStreamMsg, err error) {
	if e.active.Err() != nil {
		return nil, ErrClosed
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	err = e.try(ctx, func(ctx context.Context) (err error) {
		msg, err = e.dead.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			msg, err = nil, nil
		}
		return err
	})
	return msg, err
}

// ErrNoLetter is wrapped by the error of a Requeue for whose ID there is no dead
// letter.
var ErrNoLetter = errors.New("no such dead letter")

// Requeue puts the task of a dead letter into the queue again, with all its attempts, and removes
// the letter. The task has no owner, like a detached one. Requeue blocks while the queue is full,
// until ctx is done. If the task has a Key that was submitted again since, the letter is only
// removed. When Requeue returns an error it can be called again.
func Requeue(ctx context.Context, e *Engine, id string) error {
	switch {
	case ctx == nil:
		panic("remote: nil context")
	case e == nil:
		panic("remote: nil engine")
	}
	return explain(ctx, e.requeue(ctx, id), "remote: requeue %q", id)
}

func (e *Engine) requeue(ctx context.Context, id string) error {
	if !validName.MatchString(id) {
		return ErrNoLetter
	}
	msg, err := e.letter(ctx, 1, deadSubjects+"*."+id)
	if err != nil {
		return err
	}
	if msg == nil {
		return ErrNoLetter
	}
	letter, err := readLetter(msg)
	if err != nil {
		return err
	}
	if letter.ID == "" {
		return errors.New("it was not put into the queue by Submit")
	}
	run := nuid.Next()
	r, err := e.update(ctx, letter.Task, letter.ID, nil, func(r *record) (*record, change, time.Duration) {
		if r != nil && r.Run != letter.Run {
			return r, keep, 0 // submitted or requeued since
		}
		fresh := &record{Task: letter.Task, ID: letter.ID, Run: run, Key: letter.Key, State: queued, Detached: true}
		if r != nil {
			fresh.revision = r.revision
		}
		return fresh, replace, 0
	})
	if err != nil {
		return err
	}
	if r.State == queued && r.Delivery == (delivery{}) {
		q, err := e.findQueue(ctx, letter.Task)
		if err != nil {
			return err
		}
		s := &submission{e: e, q: q, input: msg.Data, patient: true, waiter: new(waiter)}
		if _, err := s.enqueue(ctx, r); err != nil {
			return err
		}
	}
	_, err = e.deleteMessage(ctx, deadStream.Name, msg.Sequence)
	return err
}
