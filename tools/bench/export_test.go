package main

import "context"

// StartServer starts a server for tests of --target, and returns its address, its process and how to stop it.
func StartServer(ctx context.Context, binary string) (target string, pid int, stop func(), err error) {
	s, err := startServer(ctx, binary)
	if err != nil {
		return "", 0, nil, err
	}
	return s.target, s.pid, s.stop, nil
}
