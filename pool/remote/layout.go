package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// This file has the names and limits of everything that the package makes on the server; the
// package comment lists them for operators. Streams that exist are left as an operator has set
// them, except for the one limit that is a task's own.

// errInUse says that a directory has an engine.
var errInUse = errors.New("in use by another engine")

const (
	recordSubjects = "$KV.coterie_tasks." // + task.id
	deadSubjects   = "coterie.dead."      // + task.run
	engineSubjects = "coterie.engine."    // + engine
	queueSubjects  = "coterie.queue."     // + task.run
	roomSubjects   = "coterie.room."      // + task.run
	tellSubjects   = "coterie.tell."      // + engine; in no stream

	consumerName = "workers"

	// maxWaitingPulls is how many free workers there may be in all; JetStream's own limit would be
	// 512.
	maxWaitingPulls = 1 << 17
)

// The headers of what the package publishes.
const (
	taskHeader   = "Coterie-Task"   // the task's name
	idHeader     = "Coterie-Id"     // the last part of the record's subject
	recordHeader = "Coterie-Record" // the record and its revision when the task was queued
	roomHeader   = "Coterie-Room"   // the sequence of the token in the room
	ownersHeader = "Coterie-Owners" // who waits for a record's task
	tellHeader   = "Coterie-Tell"   // what is told
	letterHeader = "Coterie-Dead"   // a dead letter's record
)

// recordStream is laid out as a KV bucket with the name coterie_tasks, except that messages may be
// deleted: a task that is given up leaves nothing. Reads go to the leader, so that what was written
// is never missing.
var recordStream = jetstream.StreamConfig{
	Name:              "KV_coterie_tasks",
	Subjects:          []string{recordSubjects + ">"},
	MaxMsgsPerSubject: 1,
	Discard:           jetstream.DiscardNew,
	AllowRollup:       true,
	AllowMsgTTL:       true,
}

var deadStream = jetstream.StreamConfig{
	Name:              "coterie_dead",
	Subjects:          []string{deadSubjects + "*.*"},
	MaxMsgsPerSubject: 1,
}

var engineStream = jetstream.StreamConfig{
	Name:              "coterie_engines",
	Subjects:          []string{engineSubjects + "*"},
	MaxMsgsPerSubject: 1,
}

// A queue is the two streams of one task. Submissions of one run are refused in both while there is
// one already, so a submission can be repeated.
type queue struct {
	task    string
	waiting jetstream.Stream // messages until they are acknowledged
	room    jetstream.Stream // a token for each task that no worker has begun
	gate    chan struct{}    // held by the one of this engine who asks again for room
}

func (q *queue) stream() string                { return "coterie_queue_" + q.task }
func (q *queue) subject(run string) string     { return queueSubjects + q.task + "." + run }
func (q *queue) roomSubject(run string) string { return roomSubjects + q.task + "." + run }

// queueOf returns the queue of a task, which it makes at its first use.
func (e *Engine) queueOf(ctx context.Context, task *definition) (*queue, error) {
	e.mu.Lock()
	q := e.queues[task.name]
	e.mu.Unlock()
	if q != nil {
		return q, nil
	}
	q = &queue{task: task.name, gate: make(chan struct{}, 1)}
	var err error
	q.waiting, err = e.ensureStream(ctx, jetstream.StreamConfig{
		Name:                 "coterie_queue_" + task.name,
		Subjects:             []string{queueSubjects + task.name + ".*"},
		Retention:            jetstream.WorkQueuePolicy,
		MaxMsgsPerSubject:    1,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
	})
	if err != nil {
		return nil, err
	}
	q.room, err = e.ensureStream(ctx, jetstream.StreamConfig{
		Name:                 "coterie_room_" + task.name,
		Subjects:             []string{roomSubjects + task.name + ".*"},
		MaxMsgs:              int64(task.Queue),
		MaxMsgsPerSubject:    1,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if made := e.queues[task.name]; made != nil {
		return made, nil
	}
	e.queues[task.name] = q
	return q, nil
}

// findQueue returns the queue of a task that some engine has made.
func (e *Engine) findQueue(ctx context.Context, task string) (*queue, error) {
	e.mu.Lock()
	q := e.queues[task]
	e.mu.Unlock()
	if q != nil {
		return q, nil
	}
	q = &queue{task: task}
	err := e.try(ctx, func(ctx context.Context) (err error) {
		if q.waiting, err = e.js.Stream(ctx, "coterie_queue_"+task); err == nil {
			q.room, err = e.js.Stream(ctx, "coterie_room_"+task)
		}
		return err
	})
	return q, err
}

// forgetQueue makes the next queueOf look at the server, from which an operator may have removed
// the streams.
func (e *Engine) forgetQueue(q *queue) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.queues[q.task] == q {
		delete(e.queues, q.task)
	}
}

// ensureStream returns the stream with the name that config has, and makes it if there is none. Of
// one that exists only MaxMsgs is changed, where it differs.
func (e *Engine) ensureStream(ctx context.Context, config jetstream.StreamConfig) (stream jetstream.Stream, err error) {
	err = e.try(ctx, func(ctx context.Context) (err error) {
		stream, err = e.js.Stream(ctx, config.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			stream, err = e.js.CreateStream(ctx, config)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // made meanwhile, with another limit
				stream, err = e.js.Stream(ctx, config.Name)
			}
		}
		if err != nil || config.MaxMsgs == 0 || stream.CachedInfo().Config.MaxMsgs == config.MaxMsgs {
			return err
		}
		changed := stream.CachedInfo().Config
		changed.MaxMsgs = config.MaxMsgs
		stream, err = e.js.UpdateStream(ctx, changed)
		return err
	})
	return stream, explain(ctx, err, "stream %s", config.Name)
}

// ensureConsumer makes the consumer of a queue, whose AckWait is the task's lease. MaxDeliver has
// no limit: attempts are counted in the records.
func (e *Engine) ensureConsumer(ctx context.Context, q *queue, lease time.Duration) error {
	err := e.try(ctx, func(ctx context.Context) error {
		config := jetstream.ConsumerConfig{
			Durable:       consumerName,
			AckPolicy:     jetstream.AckExplicitPolicy,
			AckWait:       lease,
			MaxDeliver:    -1,
			MaxAckPending: -1,
			MaxWaiting:    maxWaitingPulls,
		}
		c, err := q.waiting.Consumer(ctx, consumerName)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			c, err = q.waiting.CreateConsumer(ctx, config)
			if errors.Is(err, jetstream.ErrConsumerExists) {
				c, err = q.waiting.Consumer(ctx, consumerName)
			}
		}
		if err != nil || c.CachedInfo().Config.AckWait == lease {
			return err
		}
		config = c.CachedInfo().Config
		config.AckWait = lease
		_, err = q.waiting.UpdateConsumer(ctx, config)
		return err
	})
	return explain(ctx, err, "consumer %s of stream %s", consumerName, q.stream())
}

// release deletes the token of a run in the room. sequence is 0 if unknown.
func (e *Engine) release(ctx context.Context, q *queue, run string, sequence uint64) error {
	if sequence != 0 {
		_, err := e.deleteMessage(ctx, "coterie_room_"+q.task, sequence)
		return err
	}
	return e.try(ctx, func(ctx context.Context) error {
		return q.room.Purge(ctx, jetstream.WithPurgeSubject(q.roomSubject(run)))
	})
}

// deleteMessage deletes one message of a stream and reports whether it was there.
func (e *Engine) deleteMessage(ctx context.Context, stream string, sequence uint64) (deleted bool, err error) {
	request := fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, sequence)
	err = e.try(ctx, func(ctx context.Context) error {
		msg, err := e.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+stream, request)
		if err != nil {
			return err
		}
		var answer struct {
			Success bool                `json:"success"`
			Error   *jetstream.APIError `json:"error"`
		}
		if err := json.Unmarshal(msg.Data, &answer); err != nil {
			return err
		}
		deleted = answer.Success
		if answer.Error == nil || isGone(answer.Error) {
			return nil
		}
		return answer.Error
	})
	return deleted, explain(ctx, err, "stream %s: delete message %d", stream, sequence)
}

// isGone reports whether a message could not be deleted because it was not there.
func isGone(err *jetstream.APIError) bool {
	switch err.ErrorCode {
	case 10043, jetstream.JSErrCodeMessageNotFound:
		return true
	case 10057: // for any reason
		return strings.Contains(err.Description, "no message found") || strings.Contains(err.Description, "deleted message") ||
			strings.Contains(err.Description, "EOF")
	}
	return false
}
