package main

import (
	"crypto/sha256"
	"io/fs"
	"os"
)

// A file is a regular file that the walk has found.
type file struct {
	path  string
	size  int64
	inode inode
	info  fs.FileInfo // set only if inode is zero

	// Only one call of sum at a time writes these.
	sum     [sha256.Size]byte
	covered int64 // how many bytes sum is of; -1 before there is a sum
	err     error // why there is no sum; nil if there is one
}

// An inode identifies a file, whatever its path. It is zero if the file system or the operating
// system has no such number.
type inode struct{ device, number uint64 }

func newFile(path string, info fs.FileInfo) *file {
	f := &file{path: path, size: info.Size(), inode: inodeOf(info), covered: -1}
	if f.inode == (inode{}) {
		f.info = info
	}
	return f
}

// content is equal for two files if the bytes that have been read are equal.
type content struct {
	size, covered int64
	sum           [sha256.Size]byte
}

func (f *file) content() content { return content{f.size, f.covered, f.sum} }

// whole reports whether sum covers the whole file.
func (f *file) whole() bool { return f.covered == f.size }

// distinct returns files without the hard links to earlier files. All links to a file have the same
// size, so it is enough to call distinct with files of one size.
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

// shared returns groups of files with equal keys, in the order of files. It leaves out files whose
// key no other file has.
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
