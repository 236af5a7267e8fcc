package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// This file holds how Chromium is found, started and driven. It speaks its own protocol over
// a pipe: messages in JSON, each with a zero byte behind it.

// findChromium returns the path of the browser. It installs it if it can, and otherwise skips the
// test.
func findChromium(t *testing.T) string {
	find := func() string {
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
			if path, err := exec.LookPath(name); err == nil {
				return path
			}
		}
		return ""
	}
	if path := find(); path != "" {
		return path
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		t.Skip("there is no Chromium, and this user cannot install Debian's package chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for _, args := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "--no-install-recommends", "chromium"}} {
		if out, err := exec.CommandContext(ctx, "apt-get", args...).CombinedOutput(); err != nil {
			t.Skipf("there is no Chromium, and apt-get %v fails: %v\n%s", args, err, out)
		}
	}
	path := find()
	require.NotEmpty(t, path, "the package chromium has no chromium")
	return path
}

// A tab is a page in a browser.
type tab struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	session string
	last    int
	logged  []string // what the browser complains of
	loaded  bool
}

// message is one of the protocol, in either direction.
type message struct {
	ID      int             `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// open starts a browser and returns its tab. The browser ends with the test.
func open(t *testing.T) *tab {
	path := findChromium(t)
	theirs, to, err := os.Pipe()
	require.NoError(t, err)
	fromThem, back, err := os.Pipe()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	command := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-extensions", "--hide-scrollbars", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	command.ExtraFiles = []*os.File{theirs, back} // 3 and 4
	command.WaitDelay = 10 * time.Second
	require.NoError(t, command.Start())
	require.NoError(t, theirs.Close())
	require.NoError(t, back.Close())
	b := &tab{t: t, to: to, from: bufio.NewReader(fromThem)}
	t.Cleanup(func() {
		b.send("Browser.close", nil)
		_ = command.Wait() // it may have been ended by the limit of time, and then the test has failed
		cancel()
		_ = to.Close()
		_ = fromThem.Close()
	})
	var target struct{ TargetID string }
	b.call(&target, "Target.createTarget", map[string]any{"url": "about:blank"})
	var attached struct{ SessionID string }
	b.call(&attached, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Log", "Runtime"} {
		b.call(nil, domain+".enable", nil)
	}
	return b
}

func (b *tab) send(method string, params any) int {
	b.last++
	text, err := json.Marshal(message{ID: b.last, Method: method, Params: params, Session: b.session})
	require.NoError(b.t, err)
	_, _ = b.to.Write(append(text, 0)) // if the browser is gone, the read says so
	return b.last
}

// receive reads one message.
func (b *tab) receive() message {
	text, err := b.from.ReadBytes(0)
	require.NoError(b.t, err, "the browser has ended")
	var m message
	require.NoError(b.t, json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m))
	switch m.Method {
	case "Page.loadEventFired":
		b.loaded = true
	case "Log.entryAdded", "Runtime.exceptionThrown":
		b.logged = append(b.logged, string(text))
	}
	return m
}

// call calls a method of the protocol, and waits for its result.
func (b *tab) call(result any, method string, params any) {
	b.t.Helper()
	id := b.send(method, params)
	for {
		m := b.receive()
		if m.ID != id {
			continue
		}
		require.Nil(b.t, m.Error, "%s: %+v", method, m.Error)
		if result != nil {
			require.NoError(b.t, json.Unmarshal(m.Result, result))
		}
		return
	}
}

// show opens a page that is so wide, in the light or in the dark.
func (b *tab) show(url string, width int, scheme string) {
	b.t.Helper()
	b.call(nil, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 600, "deviceScaleFactor": 1, "mobile": false})
	b.call(nil, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
	b.loaded = false
	b.call(nil, "Page.navigate", map[string]any{"url": url})
	b.awaitLoad()
}

func (b *tab) awaitLoad() {
	for !b.loaded {
		b.receive()
	}
}

// eval returns the value of an expression in the page.
func eval[T any](b *tab, format string, args ...any) T {
	b.t.Helper()
	var result struct {
		Result           struct{ Value T }
		ExceptionDetails any
	}
	b.call(&result, "Runtime.evaluate", map[string]any{"expression": fmt.Sprintf(format, args...), "returnByValue": true})
	require.Nil(b.t, result.ExceptionDetails)
	return result.Result.Value
}

// click clicks at the middle of an element.
func (b *tab) click(selector string) {
	b.t.Helper()
	at := eval[struct{ X, Y float64 }](b, `(() => { const e = document.querySelector(%q); e.scrollIntoView(); const r = e.getBoundingClientRect(); return {X: r.x + 20, Y: r.y + r.height/2} })()`, selector)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.call(nil, "Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1})
	}
}

// picture returns the whole page, which is so wide, as a PNG.
func (b *tab) picture(width int) []byte {
	height := eval[int](b, `document.documentElement.scrollHeight`)
	b.call(nil, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
	var shot struct{ Data []byte }
	b.call(&shot, "Page.captureScreenshot", map[string]any{"format": "png"})
	return shot.Data
}
