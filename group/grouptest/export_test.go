package grouptest

import "io"

// SetOut has Patience write to w.
func SetOut(w io.Writer) (undo func()) {
	old := out
	out = w
	return func() { out = old }
}
