// Package b has no comment of the kind.
package b

func f() {}

func g() { f() } // want `a call`
