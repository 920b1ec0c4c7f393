package servers

import "syscall"

// dieWithParent has the kernel end a server when the test process goes without
// cleaning up, as it does when a test times out.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
