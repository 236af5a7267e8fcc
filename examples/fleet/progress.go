package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"
)

// progress counts the work that a search has done.
type progress struct {
	seen, done, todo atomic.Int64 // files found, hashed, and to be hashed in all
	read             atomic.Int64 // bytes
}

// draw writes a line to w, and overwrites it until ctx is done. Then it clears the line.
func (p *progress) draw(ctx context.Context, w io.Writer) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	width := 0
	for {
		line := fmt.Sprintf("%d files seen", p.seen.Load())
		if todo := p.todo.Load(); todo > 0 {
			line += fmt.Sprintf(", hashed %d of %d, %s", p.done.Load(), todo, megabytes(p.read.Load()))
		}
		fmt.Fprintf(w, "\r%-*s", width, line)
		width = len(line)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			fmt.Fprintf(w, "\r%s\r", strings.Repeat(" ", width))
			return
		}
	}
}
