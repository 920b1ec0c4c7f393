// Package qdrantprocess has what everybody needs who runs a Qdrant server as a plain process on the loopback interface: the tests'
// clusters (package servers) and the benchmark.
package qdrantprocess

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Environment are the variables of a server that keeps all it has below a directory, listens on the loopback interface only, and sends no
// telemetry. Nothing is taken over from the caller's environment but PATH.
func Environment(directory string, httpPort, grpcPort int) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + directory,
		"QDRANT__SERVICE__HOST=127.0.0.1",
		"QDRANT__SERVICE__HTTP_PORT=" + strconv.Itoa(httpPort),
		"QDRANT__SERVICE__GRPC_PORT=" + strconv.Itoa(grpcPort),
		"QDRANT__SERVICE__ENABLE_STATIC_CONTENT=false",
		"QDRANT__STORAGE__STORAGE_PATH=" + Storage(directory),
		"QDRANT__STORAGE__SNAPSHOTS_PATH=" + filepath.Join(directory, "snapshots"),
		"QDRANT__TELEMETRY_DISABLED=true",
		"QDRANT_INIT_FILE_PATH=" + filepath.Join(directory, ".initialized"),
	}
}

// Storage is where such a server keeps its data.
func Storage(directory string) string { return filepath.Join(directory, "storage") }

// Log is the file for what such a server prints.
func Log(directory string) string { return filepath.Join(directory, "qdrant.log") }

// LogTail returns the last lines of Log, or why it can't be read.
func LogTail(directory string, lines int) string {
	log, err := os.ReadFile(Log(directory))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(string(bytes.TrimSpace(log)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// FreePorts finds ports that nobody uses, all at once so that they differ.
func FreePorts(ctx context.Context, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
