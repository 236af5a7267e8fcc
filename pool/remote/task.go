package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// This file holds tasks: a name, a function, and how it is to be run.

// A Task is a function with a name, which stands for it where a closure cannot
// go: in another process. Make one with [NewTask], in every program that submits
// or serves it.
type Task[In, Out any] struct {
	definition
	f func(ctx context.Context, in In) (Out, error)
}

// A definition is a task without its types.
type definition struct {
	name string
	TaskOptions
}

// TaskOptions are the settings of a Task. The zero TaskOptions are good ones. Programs should agree
// on them: each uses its own Attempts, Backoff, Keep and Codec, while the Queue and the Lease on
// the server are those of the program that came last.
type TaskOptions struct {
	// Lease is how long a worker that is not heard of keeps a task; 0 means 30 seconds, and less
	// than a second is not allowed. A live worker renews its lease each third of it, so the task
	// itself may last as long as it likes.
	Lease time.Duration
	// Attempts is how often a task is begun until it is a dead letter; 0 means 5. An attempt whose
	// worker died counts.
	Attempts int
	// Backoff is how long a task waits after its attempt-th attempt has failed, from 1. If it is
	// nil, it is one second, and twice as long each time, up to a minute.
	Backoff func(attempt int) time.Duration
	// Queue is how many tasks may wait for a worker to begin them; 0 means 10,000. Submit blocks
	// while there are so many. A task that waits for a further attempt is not counted.
	Queue int
	// Keep is how long a result stays to be found by its Key; 0 means ten minutes. Less than three
	// leases counts as three leases.
	Keep time.Duration
	// Codec turns arguments and results into bytes and back; nil means JSON.
	Codec Codec
}

// A Codec turns values into bytes and back. All programs that submit or serve a task must use the
// same. Its methods may be called by several goroutines at once.
type Codec interface {
	Encode(v any) ([]byte, error)
	// Decode stores what data stands for in what v points to.
	Decode(data []byte, v any) error
}

type jsonCodec struct{}

func (jsonCodec) Encode(v any) ([]byte, error)    { return json.Marshal(v) }
func (jsonCodec) Decode(data []byte, v any) error { return json.Unmarshal(data, v) }

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// NewTask returns a task. Its name is its identity wherever it is submitted or served, and consists
// of letters, digits, '-' and '_'. When what In or Out means changes, or what f does with it, give
// the task a new name, such as resize-v2: each name has a queue of its own, so programs of both
// versions can be at work side by side until the old queue is empty.
//
// f gets a context that ends when nobody wants the result any more, with the cause [ErrAbandoned],
// when its lease was lost, with [ErrLeaseLost], and when its worker shuts down, with [ErrShutdown].
// What it returns then is dropped. f may run more than once for one submission: see the package
// comment.
//
// NewTask panics if f is nil, the name is not valid, or an option is negative or too small.
func NewTask[In, Out any](name string, f func(ctx context.Context, in In) (Out, error), opts TaskOptions) *Task[In, Out] {
	switch {
	case f == nil:
		panic(fmt.Sprintf("remote: nil func for task %q", name))
	case !validName.MatchString(name):
		panic(fmt.Sprintf("remote: a task's name is 1 to 128 letters, digits, - and _, got %q", name))
	case opts.Lease < 0 || opts.Lease > 0 && opts.Lease < time.Second:
		panic(fmt.Sprintf("remote: Lease of task %q is less than a second, got %v", name, opts.Lease))
	case opts.Attempts < 0:
		panic(fmt.Sprintf("remote: negative Attempts of task %q, got %d", name, opts.Attempts))
	case opts.Queue < 0:
		panic(fmt.Sprintf("remote: negative Queue of task %q, got %d", name, opts.Queue))
	case opts.Keep < 0:
		panic(fmt.Sprintf("remote: negative Keep of task %q, got %v", name, opts.Keep))
	}
	if opts.Lease == 0 {
		opts.Lease = 30 * time.Second
	}
	if opts.Attempts == 0 {
		opts.Attempts = 5
	}
	if opts.Backoff == nil {
		opts.Backoff = defaultBackoff
	}
	if opts.Queue == 0 {
		opts.Queue = 10_000
	}
	if opts.Keep == 0 {
		opts.Keep = 10 * time.Minute
	}
	opts.Keep = max(opts.Keep, 3*opts.Lease)
	if opts.Codec == nil {
		opts.Codec = jsonCodec{}
	}
	return &Task[In, Out]{definition{name, opts}, f}
}

func defaultBackoff(attempt int) time.Duration {
	return min(time.Second<<min(attempt-1, 10), time.Minute)
}

// Name returns the task's name.
func (t *Task[In, Out]) Name() string { return t.name }

// run decodes an argument, calls f, and encodes its result.
func (t *Task[In, Out]) run(ctx context.Context, data []byte) ([]byte, error) {
	var in In
	if err := t.Codec.Decode(data, &in); err != nil {
		return nil, Permanent(fmt.Errorf("decode the argument as %T: %w", in, err))
	}
	out, err := t.f(ctx, in)
	if err != nil {
		return nil, err
	}
	result, err := t.Codec.Encode(out)
	if err != nil {
		return nil, Permanent(fmt.Errorf("encode the result: %w", err))
	}
	return result, nil
}

// Permanent marks an error that no further attempt would mend: the task is a dead
// letter at once. Its text stays as it is. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

func isPermanent(err error) bool {
	p := (*permanentError)(nil)
	return errors.As(err, &p)
}

// What a task's context knows.
type contextKey struct{}

func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(contextKey{}).(*attempt)
	return a
}

// KeyOf returns the Key of the task that ctx belongs to, or, if it was submitted without one, a
// name that no other submission has. It is the same in every attempt. Outside of a task it is
// empty.
func KeyOf(ctx context.Context) string {
	a := attemptOf(ctx)
	if a == nil {
		return ""
	}
	if a.record.Key != "" {
		return a.record.Key
	}
	return a.record.Run
}

// FenceOf returns a number that is larger in each attempt of a task than in those before. A store
// that keeps the largest it was given, and refuses what comes with a smaller one, is safe from a
// worker that was cut off and goes on. Outside of a task it is 0.
func FenceOf(ctx context.Context) uint64 {
	a := attemptOf(ctx)
	if a == nil {
		return 0
	}
	return a.fence
}

// Attempt returns how often the task that ctx belongs to has been begun, from 1.
// Attempts that were given back do not count. Outside of a task it is 0.
func Attempt(ctx context.Context) int {
	a := attemptOf(ctx)
	if a == nil {
		return 0
	}
	return a.record.Attempts
}
