package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/coterie-go/coterie/pool/remote"
)

// A part is the beginning of a file. It is the argument of the task hash.
type part struct {
	Path  string
	Size  int64 // of the whole file, when it was listed
	Limit int64 // how many bytes to read
}

// A sum is the result of a part.
type sum struct {
	Sum  [sha256.Size]byte
	Read int64  // bytes
	Err  string // why there is no sum, with the path; "" if there is one
}

// hash is the task of the workers: it computes the sums of files. If a file cannot be read, its sum
// has the error, because another attempt would not help. If a worker dies, another worker reads the
// file again and gets the same sum.
var hash = remote.NewTask("fleet-hash-v1", func(ctx context.Context, parts []part) ([]sum, error) {
	buffer := make([]byte, 128<<10)
	sums := make([]sum, len(parts))
	for i, p := range parts {
		err := sums[i].add(ctx, p, buffer)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			sums[i].Err = err.Error()
		}
	}
	return sums, nil
}, remote.TaskOptions{Lease: 3 * time.Second, Attempts: 10, Backoff: func(int) time.Duration { return time.Second }})

// add reads a part, unless ctx is done first.
func (s *sum) add(ctx context.Context, p part, buffer []byte) error {
	in, err := os.Open(p.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != p.Size {
		return fmt.Errorf("%s: changed since it was listed", p.Path)
	}
	h := sha256.New()
	for left := p.Limit; left > 0 && ctx.Err() == nil; {
		n, err := in.Read(buffer[:min(left, int64(len(buffer)))])
		h.Write(buffer[:n])
		s.Read += int64(n)
		left -= int64(n)
		switch {
		case errors.Is(err, io.EOF) && left > 0:
			return fmt.Errorf("%s: became shorter while it was read", p.Path)
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
	}
	h.Sum(s.Sum[:0])
	return nil
}
