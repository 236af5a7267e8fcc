//go:build unix

package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/redis/go-redis/v9"

	"github.com/coterie-go/coterie/pool/remote"
)

// coterie is pool/remote on the embedded server.
type coterie struct{ e *remote.Engine }

var double = remote.NewTask("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil },
	remote.TaskOptions{Queue: 10_000_000})

func openCoterie(dir string) (contender, error) {
	e, err := remote.Embedded(dir)
	return &coterie{e}, err
}

func (c *coterie) serve() error {
	_, err := remote.Serve(context.Background(), c.e, double, remote.Options{Workers: workers})
	return err
}

func (c *coterie) one(ctx context.Context, n int) (int, error) {
	f, err := remote.Submit(ctx, c.e, double, n)
	if err != nil {
		return 0, err
	}
	return f.Get()
}

func (c *coterie) all(ctx context.Context, n int) error {
	for _, err := range remote.Map(ctx, c.e, double, slices.Values(make([]int, n))) {
		if err != nil {
			return err
		}
	}
	return nil
}

// queue submits detached tasks and lets their futures go, each of which would hold a
// goroutine.
func (c *coterie) queue(ctx context.Context, n int) error {
	return concurrently(n, func(i int) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		_, err := remote.Submit(ctx, c.e, double, i, remote.Detach())
		return err
	})
}

func (c *coterie) serverMemory() (int, error) {
	time.Sleep(time.Second)
	return memory()
}

func (c *coterie) elsewhere() (time.Duration, error) { return 0, nil }

func (c *coterie) close() { c.e.Close() }

// plain is a work queue as one would write it with nats.go, on a server like the one
// that pool/remote embeds. It has no retries, no owners and no bound; the results go
// back without being kept.
type plain struct {
	s    *server.Server
	conn *nats.Conn
	js   jetstream.JetStream
	stop func()

	inbox   string // followed by a name for each task
	mu      sync.Mutex
	answers map[string]chan int
}

func openNats(dir string) (contender, error) {
	s, err := server.NewServer(&server.Options{StoreDir: dir, JetStream: true, DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, fmt.Errorf("not ready")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "plain", Subjects: []string{"plain"}, Retention: jetstream.WorkQueuePolicy,
	})
	if err != nil {
		return nil, err
	}
	p := &plain{s: s, conn: conn, js: js, stop: func() {}, inbox: conn.NewInbox(), answers: make(map[string]chan int)}
	_, err = conn.Subscribe(p.inbox+".*", func(msg *nats.Msg) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.answers[msg.Subject] <- decode(msg.Data)
		delete(p.answers, msg.Subject)
	})
	return p, err
}

func (p *plain) serve() error {
	made, cancelMade := context.WithTimeout(context.Background(), time.Minute)
	defer cancelMade()
	c, err := p.js.CreateConsumer(made, "plain", jetstream.ConsumerConfig{Durable: "workers", MaxAckPending: -1})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range workers {
		messages, err := c.Messages()
		if err != nil {
			cancel()
			return err
		}
		context.AfterFunc(ctx, messages.Stop)
		wg.Go(func() {
			for {
				msg, err := messages.Next()
				if err != nil {
					return
				}
				p.conn.Publish(msg.Headers().Get("Answer-To"), encode(2*decode(msg.Data())))
				msg.Ack()
			}
		})
	}
	p.stop = func() {
		cancel()
		wg.Wait()
	}
	return nil
}

func (p *plain) one(ctx context.Context, n int) (int, error) {
	inbox := p.inbox + "." + nuid.Next()
	answer := make(chan int, 1)
	p.mu.Lock()
	p.answers[inbox] = answer
	p.mu.Unlock()
	msg := &nats.Msg{Subject: "plain", Data: encode(n), Header: nats.Header{"Answer-To": {inbox}}}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := p.js.PublishMsg(ctx, msg); err != nil {
		return 0, err
	}
	return <-answer, nil
}

func (p *plain) all(ctx context.Context, n int) error {
	return concurrently(n, func(i int) error {
		_, err := p.one(ctx, i)
		return err
	})
}

func (p *plain) queue(ctx context.Context, n int) error {
	return concurrently(n, func(i int) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err := p.js.Publish(ctx, "plain", encode(i))
		return err
	})
}

func (p *plain) serverMemory() (int, error) { return memory() }

func (p *plain) elsewhere() (time.Duration, error) { return 0, nil }

func (p *plain) close() {
	p.stop()
	p.conn.Close()
	p.s.Shutdown()
	p.s.WaitForShutdown()
}

// queue is asynq on a Redis that appends to a file. The results come back through
// this process, which asynq has nothing for.
type queue struct {
	redis   asynq.RedisClientOpt
	stop    func()
	client  *asynq.Client
	server  *asynq.Server
	mu      sync.Mutex
	answers map[string]chan int
}

func openAsynq(dir string) (contender, error) {
	socket, stop, err := startRedis(dir)
	if err != nil {
		return nil, err
	}
	q := &queue{redis: asynq.RedisClientOpt{Network: "unix", Addr: socket, ReadTimeout: time.Minute}, stop: stop, answers: make(map[string]chan int)}
	q.client = asynq.NewClient(q.redis)
	return q, nil
}

func (q *queue) serve() error {
	q.server = asynq.NewServer(q.redis, asynq.Config{Concurrency: workers, LogLevel: asynq.FatalLevel, TaskCheckInterval: 10 * time.Millisecond})
	return q.server.Start(asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		q.mu.Lock()
		answer := q.answers[id]
		delete(q.answers, id)
		q.mu.Unlock()
		answer <- 2 * decode(t.Payload())
		return nil
	}))
}

func (q *queue) one(ctx context.Context, n int) (int, error) {
	id := strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.Itoa(n)
	answer := make(chan int, 1)
	q.mu.Lock()
	q.answers[id] = answer
	q.mu.Unlock()
	if _, err := q.client.EnqueueContext(ctx, asynq.NewTask("double", encode(n)), asynq.TaskID(id)); err != nil {
		return 0, err
	}
	return <-answer, nil
}

func (q *queue) all(ctx context.Context, n int) error {
	return concurrently(n, func(i int) error {
		_, err := q.one(ctx, i)
		return err
	})
}

func (q *queue) queue(ctx context.Context, n int) error {
	return concurrently(n, func(i int) error {
		_, err := q.client.EnqueueContext(ctx, asynq.NewTask("double", encode(i)))
		return err
	})
}

func (q *queue) serverMemory() (int, error) {
	bytes, err := q.info("memory", "used_memory_rss")
	return int(bytes), err
}

func (q *queue) elsewhere() (time.Duration, error) {
	user, err := q.info("cpu", "used_cpu_user")
	if err != nil {
		return 0, err
	}
	system, err := q.info("cpu", "used_cpu_sys")
	return time.Duration((user + system) * float64(time.Second)), err
}

// info returns a number that Redis knows about itself.
func (q *queue) info(section, name string) (float64, error) {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: q.redis.Addr})
	defer client.Close()
	text, err := client.Info(context.Background(), section).Result()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("no %s in %q", name, text)
}

func (q *queue) close() {
	if q.server != nil {
		q.server.Shutdown()
	}
	q.client.Close()
	q.stop()
}
