//go:build !unix

package remote_test

// Where processes cannot be stopped and killed by signals there are no roles.

const asRole = ""

func child(string) {}
