package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coterie-go/coterie/core/child"
	"github.com/coterie-go/coterie/examples/internal/stop"
)

func TestSearch(t *testing.T) {
	t.Run("finds what comparing every file with every other finds", func(t *testing.T) {
		sizes := []int{0, 1, 2, prefix - 1, prefix, prefix + 1, 2 * prefix, 10 * prefix}
		for seed := range uint64(child.Many(4, 20)) {
			random := rand.New(rand.NewPCG(seed, 0))
			files := make(map[string]string)
			for i := range 60 {
				content := make([]byte, sizes[random.IntN(len(sizes))])
				if len(content) > 0 {
					content[[]int{0, len(content) / 2, len(content) - 1}[random.IntN(3)]] = byte(random.IntN(2))
				}
				files[strings.Repeat(fmt.Sprintf("%d/", random.IntN(3)), random.IntN(3))+fmt.Sprint("f", i)] = string(content)
			}
			dir := tree(t, files)

			equal := make(map[string][]string)
			for path, content := range files {
				equal[content] = append(equal[content], filepath.Join(dir, filepath.FromSlash(path)))
			}
			var want [][]string
			for _, paths := range equal {
				if len(paths) > 1 {
					slices.Sort(paths)
					want = append(want, paths)
				}
			}
			r := newSearch(options{dirs: []string{dir}, workers: 1 + random.IntN(8)}).run(t.Context())
			require.Empty(t, r.Errors)
			var got [][]string
			for _, s := range r.Sets {
				require.Len(t, s.Paths, s.Count)
				got = append(got, s.Paths)
			}
			require.ElementsMatch(t, want, got, "seed %d", seed)
		}
	})

	t.Run("reads no more than a prefix where that tells", func(t *testing.T) {
		dir := tree(t, map[string]string{
			"a": "a" + strings.Repeat("x", 100*prefix), "b": "b" + strings.Repeat("x", 100*prefix),
		})
		r := newSearch(options{dirs: []string{dir}, workers: 2}).run(t.Context())
		require.EqualValues(t, 2*prefix, r.Summary.BytesRead)
		require.Empty(t, r.Sets)
	})

	t.Run("files that cannot be read, or change, do not stop it", func(t *testing.T) {
		const large = 3 * prefix
		content := strings.Repeat("x", large)
		dir := tree(t, map[string]string{
			"1": content, "2": content, "closed": content, "torn": content,
			"grown": content, "replaced": content, "vanished": content, "shrunk": content, "piped": content,
		})
		at := func(name string) string { return filepath.Join(dir, name) }
		s := newSearch(options{dirs: []string{dir}, workers: 1})
		var opened sync.Map
		s.open = func(path string) (fs.File, error) {
			_, again := opened.LoadOrStore(path, true)
			switch filepath.Base(path) {
			case "closed":
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
			case "vanished":
				os.Remove(path)
			case "replaced":
				os.Remove(path)
				os.Mkdir(path, 0o777)
			case "piped":
				f, err := os.Open(path)
				return &pipe{f}, err
			case "grown":
				if again {
					os.WriteFile(path, []byte(content+"more"), 0o666)
				}
			case "torn":
				f, err := os.Open(path)
				if again {
					return &brokenFile{f, large - 1, &fs.PathError{Op: "read", Path: path, Err: syscall.EIO}}, err
				}
				return f, err
			case "shrunk":
				f, err := os.Open(path)
				if again {
					return &brokenFile{f, large - 1, io.EOF}, err
				}
				return f, err
			}
			return os.Open(path)
		}
		r := s.run(t.Context())
		require.Equal(t, []string{
			at("grown") + ": changed since it was listed",
			"open " + at("closed") + ": permission denied",
			"open " + at("vanished") + ": " + syscall.ENOENT.Error(),
			"read " + at("torn") + ": " + syscall.EIO.Error(),
			at("replaced") + ": changed since it was listed",
			at("shrunk") + ": became shorter while it was read",
			at("piped") + ": changed since it was listed",
		}, sortedLike(r.Errors, "grown", "closed", "vanished", "torn", "replaced", "shrunk", "piped"))
		require.Len(t, r.Errors, 7)
		require.True(t, slices.IsSorted(r.Errors))
		require.Len(t, r.Sets, 1)
		require.Equal(t, []string{at("1"), at("2")}, r.Sets[0].Paths)
		require.Empty(t, r.Partial)
	})

	t.Run("a directory that vanishes does not stop it", func(t *testing.T) {
		dir := tree(t, map[string]string{"1": "same", "2": "same", "d/3": "same"})
		s := newSearch(options{dirs: []string{dir}, workers: 1})
		s.open = func(path string) (fs.File, error) {
			os.RemoveAll(filepath.Join(dir, "d"))
			return os.Open(path)
		}
		r := s.run(t.Context())
		require.Equal(t, []string{"open " + filepath.Join(dir, "d", "3") + ": " + syscall.ENOENT.Error()}, r.Errors)
		require.Len(t, r.Sets, 1)
	})

	t.Run("cancelled, it reads no further, and shows what was complete", func(t *testing.T) {
		large := strings.Repeat("x", 4*bufferSize)
		dir := tree(t, map[string]string{"a": "same", "b": "same", "y": large, "z": large})
		ctx, cancel := context.WithCancelCause(t.Context())
		s := newSearch(options{dirs: []string{dir}, workers: 1})
		var reads atomic.Int32
		s.open = func(path string) (fs.File, error) {
			f, err := os.Open(path)
			return &watchedFile{f, func() {
				if reads.Add(1) == 6 { // a, b, a prefix of y and of z, and twice from y
					cancel(stop.ErrInterrupted)
				}
			}}, err
		}
		r := s.run(ctx)
		require.EqualValues(t, 6, reads.Load())
		require.Equal(t, "interrupted", r.Partial)
		require.Empty(t, r.Errors)
		require.Equal(t, 4, r.Summary.FilesHashed)
		require.Len(t, r.Sets, 1)
		require.EqualValues(t, 4, r.Sets[0].Size)
	})

	t.Run("cancelled before it began, it opens nothing", func(t *testing.T) {
		dir := tree(t, map[string]string{"a": "same", "b": "same"})
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop.ErrTimeout)
		s := newSearch(options{dirs: []string{dir}, workers: 1})
		s.open = func(path string) (fs.File, error) { panic("opened " + path) }
		r := s.run(ctx)
		require.Equal(t, "timeout", r.Partial)
		require.Empty(t, r.Errors)
	})

	t.Run("cancelled, it still returns only when every reader has", func(t *testing.T) {
		dir := tree(t, map[string]string{"a": "same", "b": "same", "c": "same"})
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stop.ErrTimeout)
			defer cancel()
			s := newSearch(options{dirs: []string{dir}, workers: 2})
			var reading atomic.Int32
			s.open = func(path string) (fs.File, error) {
				f, err := os.Open(path)
				return &watchedFile{f, func() {
					reading.Add(1)
					time.Sleep(time.Minute)
					reading.Add(-1)
				}}, err
			}
			start := time.Now()
			atTimeout := make(chan int32, 1)
			context.AfterFunc(ctx, func() { atTimeout <- reading.Load() })
			r := s.run(ctx)
			require.EqualValues(t, 2, <-atTimeout)
			require.Equal(t, time.Minute, time.Since(start))
			require.Zero(t, reading.Load())
			require.Equal(t, "timeout", r.Partial)
			require.Empty(t, r.Errors)
			require.Equal(t, 2, r.Summary.FilesHashed) // c was not begun
		})
	})

	t.Run("reads as many files at a time as there are workers", func(t *testing.T) {
		files := make(map[string]string)
		for i := range 20 {
			files[fmt.Sprint(i)] = "same"
		}
		dir := tree(t, files)
		for _, workers := range []int{1, 4, 20} {
			synctest.Test(t, func(t *testing.T) {
				s := newSearch(options{dirs: []string{dir}, workers: workers})
				s.open = func(path string) (fs.File, error) {
					f, err := os.Open(path)
					return &watchedFile{f, func() { time.Sleep(time.Second) }}, err
				}
				start := time.Now()
				s.run(t.Context())
				require.Equal(t, time.Duration(20/workers)*time.Second, time.Since(start))
			})
		}
	})
}

// sortedLike brings errors into the order of the names that end their paths.
func sortedLike(errs []string, names ...string) []string {
	var sorted []string
	for _, name := range names {
		for _, err := range errs {
			if strings.Contains(err, string(filepath.Separator)+name+":") {
				sorted = append(sorted, err)
			}
		}
	}
	return sorted
}

// A brokenFile gives err after left bytes.
type brokenFile struct {
	fs.File
	left int
	err  error
}

func (f *brokenFile) Read(b []byte) (int, error) {
	if f.left == 0 {
		return 0, f.err
	}
	n, err := f.File.Read(b[:min(len(b), f.left)])
	f.left -= n
	return n, err
}

// A pipe has the name and the size of a regular file.
type pipe struct{ fs.File }

func (p *pipe) Stat() (fs.FileInfo, error) {
	info, err := p.File.Stat()
	return pipeInfo{info}, err
}

type pipeInfo struct{ fs.FileInfo }

func (pipeInfo) Mode() fs.FileMode { return fs.ModeNamedPipe }

// A watchedFile calls reading before each read.
type watchedFile struct {
	fs.File
	reading func()
}

func (f *watchedFile) Read(b []byte) (int, error) {
	f.reading()
	return f.File.Read(b)
}

func TestDistinct(t *testing.T) {
	dir := tree(t, map[string]string{"a": "x", "c": "x", "d": "x"})
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Link(at("a"), at("b")); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("keeps one of several links, inodes known: %v", known), func(t *testing.T) {
			var files []*file
			for _, name := range []string{"a", "b", "c", "a", "d", "b"} {
				info, err := os.Lstat(at(name))
				require.NoError(t, err)
				f := newFile(at(name), info)
				if !known {
					f.inode, f.info = inode{}, info
				}
				files = append(files, f)
			}
			var kept []string
			for _, f := range distinct(files) {
				kept = append(kept, filepath.Base(f.path))
			}
			require.Equal(t, []string{"a", "c", "d"}, kept)
		})
	}
}
