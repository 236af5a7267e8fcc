// Package browser looks at the page of group/tree with a real browser: Debian's Chromium, without
// a window, driven over a pipe in its own protocol. It is a module of its own, because a browser
// is more than the other tests need.
//
//	go test .          # installs chromium if it is root on Debian, and otherwise skips without it
//	go test . -update  # makes the guide's picture afresh
package browser
