//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// inGroup makes what ends a command end all that it has started.
func inGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}
