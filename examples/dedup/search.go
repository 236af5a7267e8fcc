package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.uber.org/multierr"

	"github.com/coterie-go/coterie/errgroup"
	"github.com/coterie-go/coterie/pool"
)

// prefix is how many bytes of a file are compared first. For most files of most trees no more are
// read.
const prefix = 16 << 10

// bufferSize is how many bytes are read at a time, and between two checks of the context.
const bufferSize = 128 << 10

// A search finds the duplicates in the directories of its options.
type search struct {
	options
	open     func(path string) (fs.File, error) // os.Open, or the function of a test
	progress progress
	errs     error // of files and directories that could not be read
}

func newSearch(opts options) *search {
	return &search{
		options: opts,
		open:    func(path string) (fs.File, error) { return os.Open(path) },
	}
}

// run searches until it has finished or ctx is done, and returns a report of the results so far.
// All its goroutines have ended when it returns.
func (s *search) run(ctx context.Context) *report {
	start := time.Now()
	files := s.walk(ctx)
	slices.SortFunc(files, func(a, b *file) int { return cmp.Compare(a.path, b.path) })
	seen := len(files)

	var candidates []*file
	for _, group := range shared(files, func(f *file) int64 { return f.size }) {
		kept := distinct(group)
		seen -= len(group) - len(kept)
		if len(kept) > 1 {
			candidates = append(candidates, kept...)
		}
	}
	s.hash(ctx, candidates, prefix)
	candidates = slices.DeleteFunc(candidates, func(f *file) bool { return f.covered < 0 })
	hashed := len(candidates)

	var long []*file
	for _, group := range shared(candidates, (*file).content) {
		if !group[0].whole() {
			long = append(long, group...)
		}
	}
	s.hash(ctx, long, math.MaxInt64)
	candidates = slices.DeleteFunc(candidates, func(f *file) bool { return !f.whole() })

	return newReport(shared(candidates, (*file).content), summary{
		FilesSeen:   seen,
		FilesHashed: hashed,
		BytesRead:   s.progress.read.Load(),
	}, time.Since(start), s.errs, context.Cause(ctx))
}

// walk returns the regular files of the trees, in no particular order.
//
// Each directory is a task. If a directory cannot be read, the task returns an error. That stops no
// other task, because the group collects the errors.
func (s *search) walk(ctx context.Context) []*file {
	var mu sync.Mutex
	var files []*file
	add := func(found ...*file) {
		s.progress.seen.Add(int64(len(found)))
		mu.Lock()
		defer mu.Unlock()
		files = append(files, found...)
	}

	opts := errgroup.Options{Name: "walk", Limit: s.workers, Collect: true}
	err := errgroup.RunWith(ctx, opts, func(ctx context.Context, g *errgroup.Group) error {
		var directory func(path string) error
		directory = func(path string) error {
			entries, err := os.ReadDir(path) // beside an error, the entries that were read
			var found []*file
			for _, entry := range entries {
				if ctx.Err() != nil {
					break
				}
				path := filepath.Join(path, entry.Name())
				switch {
				case entry.IsDir():
					// This is a task of its own if the limit allows. A task must not block for room
					// for another task: all tasks might do that at once.
					task := func() error { return directory(path) }
					if !g.TryGo(task) {
						err = multierr.Append(err, task())
					}
				case entry.Type().IsRegular():
					info, gone := entry.Info()
					if gone != nil {
						err = multierr.Append(err, gone)
					} else if info.Size() >= s.min {
						found = append(found, newFile(path, info))
					}
				}
			}
			add(found...)
			return err
		}

		for _, path := range s.dirs {
			g.Go(func() error {
				info, err := os.Stat(path)
				switch {
				case err != nil:
					return err
				case info.IsDir():
					return directory(path)
				case !info.Mode().IsRegular():
					return fmt.Errorf("%s: neither a directory nor a regular file", path)
				case info.Size() >= s.min:
					add(newFile(path, info))
				}
				return nil
			})
		}
		return nil
	})
	for _, err := range multierr.Errors(err) {
		if cause := context.Cause(ctx); cause == nil || !errors.Is(err, cause) {
			s.errs = multierr.Append(s.errs, err)
		}
	}
	return files
}

// hash gives each file the sum of its first limit bytes.
func (s *search) hash(ctx context.Context, files []*file, limit int64) {
	s.progress.todo.Add(int64(len(files)))
	// An error that is returned here would cancel the rest, so each file keeps its own error. So
	// Each returns only the cause of ctx, which the report shows.
	_ = pool.Each(ctx, s.workers, slices.Values(files), func(ctx context.Context, f *file) error {
		f.err = s.sum(ctx, f, min(limit, f.size))
		s.progress.done.Add(1)
		return nil
	})
	for _, f := range files {
		s.errs = multierr.Append(s.errs, f.err)
	}
}

// sum sets f.sum to the sum of the first limit bytes, and f.covered to limit. If it fails it
// changes neither. If ctx is done it changes neither, and returns nil.
func (s *search) sum(ctx context.Context, f *file, limit int64) error {
	in, err := s.open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != f.size {
		return fmt.Errorf("%s: changed since it was listed", f.path)
	}

	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.Reset()
	for left := limit; left > 0; {
		if ctx.Err() != nil {
			return nil
		}
		n, err := in.Read(h.buffer[:min(left, int64(len(h.buffer)))])
		h.Write(h.buffer[:n])
		s.progress.read.Add(int64(n))
		left -= int64(n)
		switch {
		case err == io.EOF && left > 0:
			return fmt.Errorf("%s: became shorter while it was read", f.path)
		case err != nil && err != io.EOF:
			return err
		}
	}
	h.Sum(f.sum[:0])
	f.covered = limit
	return nil
}

// A hasher holds the memory that a worker needs for one file. It is reused, so memory does not grow
// with the number of files.
type hasher struct {
	hash.Hash
	buffer [bufferSize]byte
}

var hashers = sync.Pool{New: func() any { return &hasher{Hash: sha256.New()} }}
