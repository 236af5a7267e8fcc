package main

import (
	"fmt"
	"os"
	"time"
)

// A progress line is redrawn in place on a terminal, and is not shown elsewhere.
type progress struct {
	file     *os.File
	terminal bool
	last     time.Time
}

func newProgress(file *os.File) *progress {
	info, err := file.Stat()
	return &progress{file: file, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// show says what is being done, how far it is, and how long all of it will yet
// take, if that is known and so above 0.
func (p *progress) show(what string, done, all int, remains time.Duration) {
	if !p.terminal || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	line := fmt.Sprintf("%3d %%  %s", 100*done/all, what)
	if remains > 0 {
		line += fmt.Sprintf("  (%v left)", remains.Round(time.Second))
	}
	fmt.Fprintf(p.file, "\r\x1b[K%.110s", line)
}

func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.file, "\r\x1b[K")
	}
}
