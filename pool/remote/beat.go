package remote

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// This file holds how a dead submitter is noticed. Each engine writes a message of its own every
// two seconds, which replaces its last one. So the oldest message of that stream is that of the
// engine which has been silent for longest, and to look at it is enough.
//
// An engine is taken for dead if its message is older than silence by the server's clock, and the
// engine that looks has had answers from the server for as long: after a restart of the server all
// have time to be heard first. Its submissions are then given up as it would have done itself.
// Whoever does that replaces the message first, so the others leave it alone, unless that one dies
// too.

const (
	beatEvery = 2 * time.Second
	silence   = 9 * time.Second

	// recheckEach is how many results are looked for at each beat, in case that the message about
	// one was lost.
	recheckEach = 64
)

// beat says that the engine lives.
func (e *Engine) beat(ctx context.Context) error {
	host, _ := os.Hostname()
	text := fmt.Sprintf("%s, process %d", host, os.Getpid())
	_, err := e.js.Publish(ctx, engineSubjects+e.id, []byte(text))
	return err
}

// forgetBeat removes the engine's message. It has no submissions any more.
func (e *Engine) forgetBeat() {
	ctx, cancel := context.WithTimeout(e.life, answerTimeout)
	defer cancel()
	e.engines.Purge(ctx, jetstream.WithPurgeSubject(engineSubjects+e.id))
}

// keepBeating is a task of the engine until Close begins. Close itself takes no longer than
// submissions take to be given up.
func (e *Engine) keepBeating() {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	answered := time.Now() // since when the server has answered every time
	last := answered
	for {
		select {
		case <-ticker.C:
		case <-e.active.Done():
			return
		}
		ctx, cancel := context.WithTimeout(e.active, beatEvery)
		err := e.beat(ctx)
		if now := time.Now(); err != nil || now.Sub(last) > 3*beatEvery {
			answered = now // no answer, or this process has been stopped
		}
		last = time.Now()
		if err == nil && time.Since(answered) >= silence {
			err = e.sweep(ctx)
		}
		if err != nil {
			answered = time.Now()
		}
		e.recheck(ctx, recheckEach)
		cancel()
	}
}

// sweep gives up the submissions of engines that are dead.
func (e *Engine) sweep(ctx context.Context) error {
	for {
		info, err := e.engines.Info(ctx)
		if err != nil {
			return err
		}
		if info.State.Msgs == 0 || info.TimeStamp.Sub(info.State.FirstTime) < silence {
			return nil
		}
		msg, err := e.engines.GetMsg(ctx, info.State.FirstSeq)
		if err != nil {
			return err
		}
		engine := strings.TrimPrefix(msg.Subject, engineSubjects)
		claimed, err := e.js.Publish(ctx, msg.Subject, msg.Data, jetstream.WithExpectLastSequencePerSubject(msg.Sequence))
		if err != nil {
			return nil // it lives, or another engine sees to it
		}
		e.start(func() {
			if e.giveUp(engine) == nil {
				e.deleteMessage(e.active, engineStream.Name, claimed.Sequence) // unless it has been heard of
			}
		})
	}
}

// giveUp ends the part that an engine's submissions have in their tasks.
func (e *Engine) giveUp(engine string) error {
	ctx := e.active
	consumer, err := e.records.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return err
	}
	left := func(token string) bool { return strings.HasPrefix(token, engine+"-") }
	for {
		batch, err := consumer.FetchNoWait(1000)
		if err != nil {
			return err
		}
		n := 0
		for msg := range batch.Messages() {
			n++
			if !strings.Contains(msg.Headers().Get(ownersHeader), engine+"-") {
				continue
			}
			task, id, _ := strings.Cut(strings.TrimPrefix(msg.Subject(), recordSubjects), ".")
			if err := e.leave(ctx, task, id, left); err != nil {
				return err
			}
		}
		if batch.Error() != nil {
			return batch.Error()
		}
		if n == 0 {
			return nil
		}
	}
}
