package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// This file holds the record of a task, which decides everything about it. Its invariant: a record
// is written only by compare-and-set on the revision that was read, so of two engines that want to
// change one, one fails and looks again. What stands in the streams besides may be late, missing or
// there twice: it is acted upon as the record says.

type state string

const (
	queued  state = "queued"  // waits for its first or its next attempt
	running state = "running" // an attempt has begun
	done    state = "done"    // has a result
	dead    state = "dead"    // is a dead letter
)

// A record says what has become of a submission. A task that its owners gave up has none.
type record struct {
	Task     string   `json:"task"`
	ID       string   `json:"id"`            // of the Key, or the run
	Run      string   `json:"run"`           // differs for each execution of a Key
	Key      string   `json:"key,omitempty"` // as given
	State    state    `json:"state"`
	Owners   []string `json:"owners,omitempty"`   // tokens of submissions; they end the task when all have left
	Detached bool     `json:"detached,omitempty"` // needs no owner
	Attempts int      `json:"attempts"`           // begun, except those given back
	Workers  []string `json:"workers,omitempty"`  // the names of those who began them
	Engine   string   `json:"engine,omitempty"`   // of the attempt that runs
	Delivery delivery `json:"delivery,omitzero"`  // by which the last attempt came
	Error    string   `json:"error,omitempty"`    // of the last attempt that failed
	Stack    string   `json:"stack,omitempty"`    // of its panic

	result   []byte // of a task that is done
	revision uint64 // 0 if it was not written yet
}

// A delivery is one handing out of a queued message. The server hands out one again when its lease
// has ended, and counts.
type delivery struct {
	Sequence uint64 `json:"sequence"`
	Count    uint64 `json:"count"`
}

// after reports whether d was handed out later than other.
func (d delivery) after(other delivery) bool {
	return d.Sequence > other.Sequence || d.Sequence == other.Sequence && d.Count > other.Count
}

// over reports whether nothing more will happen to the task.
func (r *record) over() bool { return r != nil && (r.State == done || r.State == dead) }

func (r *record) subject() string { return recordSubjects + r.Task + "." + r.ID }

// encode returns the record as JSON on one line, and below it the result.
func (r *record) encode() ([]byte, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if r.State == done {
		line = append(append(line, '\n'), r.result...)
	}
	return line, nil
}

func decodeRecord(data []byte) (*record, error) {
	line, result, _ := bytes.Cut(data, []byte("\n"))
	r := new(record)
	if err := json.Unmarshal(line, r); err != nil {
		return nil, fmt.Errorf("not a task's record: %w", err)
	}
	r.result = result
	return r, nil
}

// hint returns the record and its revision as text, for the message of the queue: most records are
// still the same when a worker claims them.
func (r *record) hint() string {
	line, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(r.revision, 10) + " " + string(line)
}

// recordFromHint returns what hint was made of, or nil.
func recordFromHint(hint string) *record {
	revision, line, _ := strings.Cut(hint, " ")
	r := new(record)
	var err error
	if r.revision, err = strconv.ParseUint(revision, 10, 64); err != nil || r.revision == 0 {
		return nil
	}
	if json.Unmarshal([]byte(line), r) != nil {
		return nil
	}
	return r
}

// errConflict says that another engine has changed the record.
var errConflict = errors.New("changed meanwhile")

// read returns the record of a task, or nil if there is none.
func (e *Engine) read(ctx context.Context, task, id string) (r *record, err error) {
	err = e.try(ctx, func(ctx context.Context) error {
		r = nil
		msg, err := e.records.GetLastMsgForSubject(ctx, recordSubjects+task+"."+id)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if msg.Header.Get("KV-Operation") != "" { // deleted with the tools for KV buckets, which leave a marker
			_, err := e.deleteMessage(ctx, recordStream.Name, msg.Sequence)
			return err
		}
		if r, err = decodeRecord(msg.Data); err == nil {
			r.revision = msg.Sequence
		}
		return err
	})
	return r, err
}

// write replaces the revision that r was read with. The record expires after ttl, if that is not 0.
func (e *Engine) write(ctx context.Context, r *record, ttl time.Duration) error {
	data, err := r.encode()
	if err != nil {
		return err
	}
	msg := &nats.Msg{Subject: r.subject(), Data: data, Header: nats.Header{
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(r.revision, 10)},
	}}
	if len(r.Owners) > 0 && !r.over() {
		msg.Header.Set(ownersHeader, strings.Join(r.Owners, ","))
	}
	if ttl > 0 {
		msg.Header.Set(jetstream.MsgTTLHeader, ttl.Round(time.Second).String())
	}
	return e.try(ctx, func(ctx context.Context) error {
		ack, err := e.js.PublishMsg(ctx, msg)
		if api := (*jetstream.APIError)(nil); errors.As(err, &api) {
			if api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant {
				return errConflict
			}
		}
		if err == nil {
			r.revision = ack.Sequence
		}
		return err
	})
}

// remove deletes the revision that r was read with.
func (e *Engine) remove(ctx context.Context, r *record) error {
	deleted, err := e.deleteMessage(ctx, recordStream.Name, r.revision)
	if err == nil && !deleted {
		err = errConflict
	}
	return err
}

// A change is what to do with a record.
type change int

const (
	keep change = iota
	replace
	drop
)

// A decision says what to do with a record, which is nil if there is none. A write that took effect
// without an answer comes back as a record that was changed already, so a decision must know its
// own work again.
type decision func(*record) (*record, change, time.Duration)

// update does with a record what decide says, until no other engine comes between. It returns the
// record as it is now; of a dropped one, as it was, with revision 0. It starts from known, which
// spares a read if that is what the record still is; nil means to read it.
func (e *Engine) update(ctx context.Context, task, id string, known *record, decide decision) (r *record, err error) {
	for {
		if known != nil {
			current := *known
			r, known = &current, nil
		} else if r, err = e.read(ctx, task, id); err != nil {
			return nil, err
		}
		r, what, ttl := decide(r)
		switch what {
		case keep:
			return r, nil
		case replace:
			err = e.write(ctx, r, ttl)
		case drop:
			if err = e.remove(ctx, r); err == nil {
				r.revision = 0
			}
		}
		if !errors.Is(err, errConflict) {
			return r, err
		}
	}
}

// without returns owners without those of which left is true.
func without(owners []string, left func(token string) bool) []string {
	return slices.DeleteFunc(slices.Clone(owners), left)
}
