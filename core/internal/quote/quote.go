// Package quote quotes names from users, so that they cannot forge lines of a log.
package quote

import "strconv"

// Unprintable returns s, quoted if it has characters that are not printable.
func Unprintable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return strconv.Quote(s)
		}
	}
	return s
}
