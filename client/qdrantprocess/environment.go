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

// Environment returns the variables of a server that keeps its data in a directory, listens on the loopback interface only, and sends no
// telemetry. Of the caller's environment it has only PATH.
func Environment(directory string, httpPort, grpcPort int) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + directory,
		"QDRANT__SERVICE__HOST=127.0.0.1",
		"QDRANT__SERVICE__HTTP_PORT=" + strconv.Itoa(httpPort),
		"QDRANT__SERVICE__GRPC_PORT=" + strconv.Itoa(grpcPort),
		"QDRANT__SERVICE__ENABLE_STATIC_CONTENT=false",
		"QDRANT__STORAGE__STORAGE_PATH=" + storage(directory),
		"QDRANT__STORAGE__SNAPSHOTS_PATH=" + filepath.Join(directory, "snapshots"),
		"QDRANT__TELEMETRY_DISABLED=true",
		"QDRANT_INIT_FILE_PATH=" + filepath.Join(directory, ".initialized"),
	}
}

func storage(directory string) string { return filepath.Join(directory, "storage") }

func logFile(directory string) string { return filepath.Join(directory, "qdrant.log") }

// logTail returns the last lines of the log of a server, or why it can't be read.
func logTail(directory string, lines int) string {
	log, err := os.ReadFile(logFile(directory))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(string(bytes.TrimSpace(log)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// FreePorts returns n different TCP ports of the loopback interface that nobody uses.
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
