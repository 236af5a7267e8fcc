// Package stack reads stack traces as the runtime prints them.
package stack

import (
	"bytes"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A Trace is the stack trace of one goroutine.
type Trace struct {
	Header []byte  // "goroutine 7 [running]:"
	Frames []Frame // the innermost first; the last names the function that created the goroutine
}

// A Frame holds the two lines of one function of a trace, without the line ends.
type Frame struct {
	call []byte // "main.main()" or "created by main.main in goroutine 1"
	at   []byte // "\t/src/main.go:7 +0x1"; nil if there is no such line
}

// Parse reads the trace of one goroutine.
func Parse(trace []byte) Trace {
	header, rest, _ := bytes.Cut(bytes.TrimSpace(trace), []byte("\n"))
	t := Trace{Header: header}
	for len(rest) > 0 {
		var f Frame
		f.call, rest, _ = bytes.Cut(rest, []byte("\n"))
		if bytes.HasPrefix(rest, []byte("\t")) {
			f.at, rest, _ = bytes.Cut(rest, []byte("\n"))
		}
		t.Frames = append(t.Frames, f)
	}
	return t
}

// Append appends the trace's text to b, without a line end.
func (t Trace) Append(b []byte) []byte {
	b = append(b, t.Header...)
	for _, f := range t.Frames {
		b = append(append(b, '\n'), f.call...)
		if f.at != nil {
			b = append(append(b, '\n'), f.at...)
		}
	}
	return b
}

// ID returns the number of the goroutine whose trace begins with trace.
func ID(trace []byte) uint64 {
	trace = bytes.TrimPrefix(trace, []byte("goroutine "))
	digits, _, _ := bytes.Cut(trace[:min(len(trace), 24)], []byte(" "))
	return number(digits)
}

// Creator returns the function that started the goroutine, and the number of the goroutine that ran
// that function. It returns "" and 0 if the trace does not have them.
func (t Trace) Creator() (function string, id uint64) {
	if len(t.Frames) == 0 {
		return "", 0
	}
	last := t.Frames[len(t.Frames)-1]
	if !last.isCreator() {
		return "", 0
	}
	_, digits, _ := bytes.Cut(last.call, []byte(" in goroutine "))
	return string(last.function()), number(digits)
}

func number(digits []byte) uint64 {
	n, _ := strconv.ParseUint(string(digits), 10, 64)
	return n
}

// TrimOwn returns the trace without the toolkit's frames at both ends, and without the runtime's
// frames beyond those. It also leaves out the frames above the call of panic if the trace is that
// of a panic.
func (t Trace) TrimOwn() Trace {
	frames := t.Frames
	var raised []Frame
	for i, f := range frames {
		if string(f.function()) == "panic" {
			raised, frames = frames[i:i+1:i+1], frames[i+1:]
			break
		}
	}
	first, last := 0, len(frames)
	top := slices.IndexFunc(frames, Frame.isUsers)
	if top < 0 { // the task is a function of the toolkit or of the standard library
		if own := slices.IndexFunc(frames, Frame.isOwn); own >= 0 {
			last = own
		}
		return Trace{t.Header, append(raised, frames[:last]...)}
	}
	for i := range frames[:top] {
		if frames[i].isOwn() {
			first = i + 1
		}
	}
	for last > 0 && !frames[last-1].isUsers() {
		last--
	}
	if !slices.ContainsFunc(frames[last:], Frame.isOwn) {
		last = len(frames)
	}
	return Trace{t.Header, append(raised, frames[first:last]...)}
}

// Site returns the functions and lines of the trace, without the arguments and the offsets. It is
// equal for goroutines at the same place.
func (t Trace) Site() string {
	var b []byte
	for _, f := range t.Frames {
		b = append(append(b, f.function()...), '\n')
		b = append(append(b, f.line()...), '\n')
	}
	return string(b)
}

var createdBy = []byte("created by ")

// State returns the state of the goroutine in the runtime's words: "running", or what it waits for.
func (t Trace) State() string {
	_, state, _ := bytes.Cut(t.Header, []byte(" ["))
	if i := bytes.IndexAny(state, ",]("); i >= 0 {
		state = state[:i]
	}
	return string(bytes.TrimSpace(state))
}

// Waits returns for how many whole minutes the goroutine has been blocked, at least, as far as the
// runtime knows.
func (t Trace) Waits() int {
	state, _, _ := bytes.Cut(t.Header, []byte(" minutes"))
	if len(state) == len(t.Header) {
		return 0
	}
	return int(number(state[bytes.LastIndexByte(state, ' ')+1:]))
}

// Bubble returns the number of the testing/synctest bubble of the goroutine, or 0.
func (t Trace) Bubble() uint64 {
	_, digits, _ := bytes.Cut(t.Header, []byte("synctest bubble "))
	digits, _, _ = bytes.Cut(digits, []byte("]"))
	return number(digits)
}

// Entered returns the function of the toolkit that users' code has called and in which the
// goroutine is, without the path of the module: "core.(*Semaphore).Acquire". It returns "" if there
// is none.
func (t Trace) Entered() string {
	entered := ""
	for _, f := range t.Frames {
		switch {
		case f.isOwn():
			entered = string(bytes.TrimPrefix(f.function(), []byte(module)))
		case f.isUsers():
			return entered
		}
	}
	return "" // no user's frame: this is a goroutine of the toolkit
}

// Top returns the innermost function that is neither the toolkit's nor the standard library's, and
// its file and line. That may be the function that started the goroutine.
func (t Trace) Top() (function, file string, line int) {
	for _, f := range t.Frames {
		if !f.isUsers() {
			continue
		}
		if file, line = f.position(); !isStandard(file) {
			return string(f.function()), file, line
		}
	}
	return "", "", 0
}

// line returns the second line of a frame without the offset: "\t/src/main.go:7".
func (f Frame) line() []byte {
	if i := bytes.LastIndex(f.at, []byte(" +0x")); i >= 0 {
		return f.at[:i]
	}
	return f.at
}

// position returns the file and the line of a frame.
func (f Frame) position() (file string, line int) {
	at := bytes.TrimSpace(f.line())
	i := bytes.LastIndexByte(at, ':')
	if i < 0 {
		return "", 0
	}
	return string(at[:i]), int(number(at[i+1:]))
}

// standard is the folder of the standard library, or "" in a program that was built with
// -trimpath.
var standard = func() string {
	pc := reflect.ValueOf(bytes.TrimSpace).Pointer()
	file, _ := runtime.FuncForPC(pc).FileLine(pc)
	return strings.TrimSuffix(file, "bytes/bytes.go")
}()

// isStandard reports whether file belongs to the standard library. With -trimpath the file begins
// with the path of its package. The first part of that path has a dot, except in the standard
// library.
func isStandard(file string) bool {
	if standard != "" {
		return strings.HasPrefix(file, standard)
	}
	first, _, _ := strings.Cut(file, "/")
	return !strings.Contains(first, ".")
}

// Caller returns the innermost of the calls that is neither in the toolkit nor in the standard
// library.
func Caller(calls []uintptr) (function, file string, line int) {
	frames := runtime.CallersFrames(calls)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		call := Frame{call: []byte(f.Function + "(")}
		if f.Function != "" && !call.isOwn() && !isStandard(f.File) {
			return f.Function, f.File, f.Line
		}
	}
	return "", "", 0
}

func (f Frame) isCreator() bool { return bytes.HasPrefix(f.call, createdBy) }

// function returns the name of the frame's function.
func (f Frame) function() []byte {
	if f.isCreator() {
		name, _, _ := bytes.Cut(f.call[len(createdBy):], []byte(" in goroutine "))
		return name
	}
	if i := bytes.LastIndexByte(f.call, '('); i >= 0 {
		return f.call[:i]
	}
	return f.call
}

// packagePath returns the path of the function's package.
func packagePath(function []byte) []byte {
	function, _, _ = bytes.Cut(function, []byte("[")) // type arguments have paths of their own
	slash := bytes.LastIndexByte(function, '/') + 1
	name, _, _ := bytes.Cut(function[slash:], []byte("."))
	return function[:slash+len(name)]
}

const module = "github.com/coterie-go/coterie/"

// isOwn reports whether the frame is the toolkit's.
func (f Frame) isOwn() bool {
	path, ok := bytes.CutPrefix(packagePath(f.function()), []byte(module))
	if !ok || bytes.HasSuffix(path, []byte("_test")) {
		return false
	}
	top, _, _ := bytes.Cut(path, []byte("/"))
	switch string(top) {
	case "core", "group", "errgroup", "pool":
		return true
	}
	return false
}

// isRuntimes reports whether the frame is of a package of the standard library in which goroutines
// block, or that calls functions of the toolkit or of users.
func (f Frame) isRuntimes() bool {
	top, _, _ := bytes.Cut(packagePath(f.function()), []byte("/"))
	switch string(top) {
	case "runtime", "internal", "sync", "iter", "context":
		return true
	}
	return false
}

// isUsers reports whether the frame is neither the toolkit's nor the runtime's.
func (f Frame) isUsers() bool { return !f.isOwn() && !f.isRuntimes() }
