package main

import (
	"crypto/sha256"
	"io/fs"
	"os"
)

// A file is a regular file that the walk came across.
type file struct {
	path  string
	size  int64
	inode inode
	info  fs.FileInfo // only where inode says nothing

	// Written by the one call of sum that has the file.
	sum     [sha256.Size]byte
	covered int64 // how many bytes sum is of; -1 before there is a sum
	err     error // why there is none
}

// An inode identifies a file whatever it is called. The zero inode is that of a
// file system, or of an operating system, that does not tell.
type inode struct{ device, number uint64 }

func newFile(path string, info fs.FileInfo) *file {
	f := &file{path: path, size: info.Size(), inode: inodeOf(info), covered: -1}
	if f.inode == (inode{}) {
		f.info = info
	}
	return f
}

// content is the same for two files that have the same content, as far as that
// has been read.
type content struct {
	size, covered int64
	sum           [sha256.Size]byte
}

func (f *file) content() content { return content{f.size, f.covered, f.sum} }

// whole reports whether sum is that of the whole file.
func (f *file) whole() bool { return f.covered == f.size }

// distinct returns files without those that are links to an earlier one. All
// links to a file have one size: it is enough to give it files of that size.
func distinct(files []*file) []*file {
	known := make(map[inode]bool)
	var kept, unknown []*file
next:
	for _, f := range files {
		if f.info == nil {
			if known[f.inode] {
				continue
			}
			known[f.inode] = true
		} else {
			for _, u := range unknown {
				if os.SameFile(u.info, f.info) {
					continue next
				}
			}
			unknown = append(unknown, f)
		}
		kept = append(kept, f)
	}
	return kept
}

// shared returns the files that have the same key as another, in groups, in the
// order of files.
func shared[K comparable](files []*file, key func(*file) K) [][]*file {
	var order []K
	groups := make(map[K][]*file)
	for _, f := range files {
		k := key(f)
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], f)
	}
	var found [][]*file
	for _, k := range order {
		if len(groups[k]) > 1 {
			found = append(found, groups[k])
		}
	}
	return found
}
