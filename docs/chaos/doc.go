// Package chaos runs random trees of owners.
package chaos
