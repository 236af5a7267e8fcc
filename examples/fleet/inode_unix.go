//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

func inodeOf(info fs.FileInfo) inode {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return inode{uint64(stat.Dev), uint64(stat.Ino)}
	}
	return inode{}
}
