//go:build !unix

package remote

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// lockDir makes dir and locks it until unlock is called. Where there are no locks that end with the
// process, a file that cannot be removed while it is open stands for one.
func lockDir(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	name := filepath.Join(dir, "coterie.lock")
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errInUse
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, errInUse
	}
	if err != nil {
		return nil, err
	}
	return file.Close, nil
}
