package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"
)

// progress counts the work that a search has done. Its tasks add to it, and a background task draws
// it.
type progress struct {
	seen, done, todo atomic.Int64 // files found, hashed, and to be hashed in all
	read             atomic.Int64 // bytes
}

const redraw = 100 * time.Millisecond

// draw writes a line to w, and overwrites it until ctx is done. Then it clears the line.
func (p *progress) draw(ctx context.Context, w io.Writer) {
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	start, width := time.Now(), 0
	for {
		line := p.line(time.Since(start))
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

func (p *progress) line(elapsed time.Duration) string {
	line := fmt.Sprintf("%d files seen", p.seen.Load())
	if todo := p.todo.Load(); todo > 0 {
		read := p.read.Load()
		line += fmt.Sprintf(", hashed %d of %d, %s", p.done.Load(), todo, megabytes(read))
		if elapsed > 0 {
			line += fmt.Sprintf(", %.1f MB/s", float64(read)/1e6/elapsed.Seconds())
		}
	}
	return line
}
