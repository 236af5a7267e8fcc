package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/coterie-go/coterie/pool/remote"
)

// prefix is how many bytes of a file are compared first.
const prefix = 16 << 10

// A task reads at most batchFiles files. A batch also ends when its files have batchBytes bytes.
const (
	batchFiles = 64
	batchBytes = 16 << 20
)

// A file is a regular file that the walk has found.
type file struct {
	path string
	size int64
	id   inode // zero if the file system has none

	sum     [sha256.Size]byte
	covered int64 // how many bytes sum is of; -1 before there is a sum
}

// An inode identifies a file, whatever its path.
type inode struct{ device, number uint64 }

// A search finds the duplicates in the directories of its options.
type search struct {
	options
	engine   *remote.Engine
	progress progress
	errors   []string // of files and directories that could not be read
}

// run searches until it has finished or ctx is done, and returns a report of the results so far.
func (s *search) run(ctx context.Context) *report {
	start := time.Now()
	var files []*file
	for _, dir := range s.dirs {
		files = s.walk(ctx, files, dir)
	}
	slices.SortStableFunc(files, func(a, b *file) int { return cmp.Compare(a.path, b.path) })
	seen := len(files)

	var candidates []*file
	for _, group := range shared(files, func(f *file) int64 { return f.size }) {
		kept := distinct(group)
		seen -= len(group) - len(kept)
		if len(kept) > 1 {
			candidates = append(candidates, kept...)
		}
	}
	failed := s.sum(ctx, candidates, prefix)
	candidates = slices.DeleteFunc(candidates, func(f *file) bool { return f.covered < 0 })
	hashed := len(candidates)

	var long []*file
	for _, group := range shared(candidates, (*file).content) {
		if group[0].covered < group[0].size {
			long = append(long, group...)
		}
	}
	if failed == nil {
		failed = s.sum(ctx, long, math.MaxInt64)
	}
	candidates = slices.DeleteFunc(candidates, func(f *file) bool { return f.covered < f.size })

	return &report{
		sets:   shared(candidates, (*file).content),
		seen:   seen,
		hashed: hashed,
		read:   s.progress.read.Load(),
		took:   time.Since(start),
		errors: slices.Sorted(slices.Values(s.errors)),
		cause:  cmp.Or(context.Cause(ctx), failed),
	}
}

// walk appends the regular files of a tree to files.
func (s *search) walk(ctx context.Context, files []*file, root string) []*file {
	fail := func(err error) { s.errors = append(s.errors, err.Error()) }
	add := func(path string, info fs.FileInfo) {
		if info.Size() >= s.min {
			files = append(files, &file{path: path, size: info.Size(), id: inodeOf(info), covered: -1})
			s.progress.seen.Add(1)
		}
	}
	var directory func(path string)
	directory = func(path string) {
		entries, err := os.ReadDir(path) // beside an error, the entries that were read
		if err != nil {
			fail(err)
		}
		for _, entry := range entries {
			path := filepath.Join(path, entry.Name())
			switch {
			case ctx.Err() != nil:
				return
			case entry.IsDir():
				directory(path)
			case entry.Type().IsRegular():
				if info, err := entry.Info(); err != nil {
					fail(err)
				} else {
					add(path, info)
				}
			}
		}
	}
	switch info, err := os.Stat(root); {
	case err != nil:
		fail(err)
	case info.IsDir():
		directory(root)
	case !info.Mode().IsRegular():
		fail(fmt.Errorf("%s: neither a directory nor a regular file", root))
	default:
		add(root, info)
	}
	return files
}

// sum gives each file the sum of its first limit bytes. It returns an error if the fleet did not
// process all files.
func (s *search) sum(ctx context.Context, files []*file, limit int64) error {
	s.progress.todo.Add(int64(len(files)))
	left := files
	for sums, err := range remote.Map(ctx, s.engine, hash, batches(files, limit)) {
		if err != nil {
			var d *remote.DeadError
			if errors.As(err, &d) {
				err = fmt.Errorf("files from %s on: %w", left[0].path, err)
			}
			return err
		}
		for i, sum := range sums {
			f := left[i]
			if sum.Err != "" {
				s.errors = append(s.errors, sum.Err)
			} else {
				f.sum, f.covered = sum.Sum, min(limit, f.size)
			}
			s.progress.read.Add(sum.Read)
		}
		left = left[len(sums):]
		s.progress.done.Add(int64(len(sums)))
	}
	return nil
}

// batches yields the files as the arguments of tasks.
func batches(files []*file, limit int64) iter.Seq[[]part] {
	return func(yield func([]part) bool) {
		var batch []part
		bytes := int64(0)
		for i, f := range files {
			batch = append(batch, part{f.path, f.size, min(limit, f.size)})
			bytes += min(limit, f.size)
			if len(batch) < batchFiles && bytes < batchBytes && i < len(files)-1 {
				continue
			}
			if !yield(batch) {
				return
			}
			batch, bytes = nil, 0
		}
	}
}

// content is equal for two files if the bytes that have been read are equal.
type content struct {
	size, covered int64
	sum           [sha256.Size]byte
}

func (f *file) content() content { return content{f.size, f.covered, f.sum} }

// distinct returns files without the hard links to earlier files.
func distinct(files []*file) (kept []*file) {
	known := make(map[inode]bool)
	for _, f := range files {
		if f.id == (inode{}) || !known[f.id] {
			known[f.id] = true
			kept = append(kept, f)
		}
	}
	return kept
}

// shared returns groups of files with equal keys, in the order of files. It leaves out files whose
// key no other file has.
func shared[K comparable](files []*file, key func(*file) K) (found [][]*file) {
	var order []K
	groups := make(map[K][]*file)
	for _, f := range files {
		k := key(f)
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], f)
	}
	for _, k := range order {
		if len(groups[k]) > 1 {
			found = append(found, groups[k])
		}
	}
	return found
}
