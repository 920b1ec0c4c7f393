//go:build controlplane

package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	shepherdkube "github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// tendVariable makes the test's binary a `shepherd tend` of the release that it describes. The real one finds the API server by the files
// of its pod's account, and there are no pods here; what it does with Kubernetes is the same.
const tendVariable = "CONTROLPLANE_TEND"

// looks is how often it looks at its release before it reports: the garbage of looking belongs to what it takes.
const looks = 50

// tended is the release, and the account that tend has.
type tended struct {
	Kubeconfig, User string
	Names            shepherdkube.Names
}

// footprint is the memory of a process in bytes. Resident and Own are what the kernel counts, 0 where it doesn't tell; Own leaves out what
// is on disk as well, such as the program, which is much larger here than shepherd is. Heap is what is in use, in which the garbage
// collector's moment has no part.
type footprint struct{ Resident, Own, Heap int64 }

func init() {
	text := os.Getenv(tendVariable)
	if text == "" {
		return
	}
	if err := tendOnly(context.Background(), text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// tendOnly is internal/shepherd/command's tend without its flags, its Lease and its metrics' port, at a faster pace and with peers that don't answer.
func tendOnly(ctx context.Context, text string) error {
	var of tended
	if err := json.Unmarshal([]byte(text), &of); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", of.Kubeconfig)
	if err != nil {
		return err
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: of.User}
	config.QPS, config.Burst = 50, 100 // as kube.Connect has it
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	client := shepherdkube.New(api, of.Names)
	cache, err := client.Watch(ctx)
	if err != nil {
		return err
	}
	events := client.Recorder("shepherd")
	defer events.Close()
	ctx, stop := context.WithCancel(ctx)
	nobody := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("connection refused")
	}}}
	const pace = 20 * time.Millisecond
	return tend.Run(ctx, tend.Options{
		Kubernetes: &reporter{Cache: cache, stop: stop},
		Store:      client,
		Events:     events,
		Peer:       func(pod string) tend.Peer { return clusterapi.NewWithHTTP("http://"+pod, "", nobody) },
		Pod:        client.Names().Pod,
		Ordinals:   100,
		Interval:   pace, Backoff: pace, MaxBackoff: pace,
	})
}

// reporter prints the footprint when it has been looked through often enough, and stops.
type reporter struct {
	*shepherdkube.Cache
	looked int
	stop   func()
}

// StatefulSet is the first thing that each look asks for.
func (r *reporter) StatefulSet(ctx context.Context) (shepherdkube.StatefulSet, error) {
	if r.looked++; r.looked == looks {
		defer r.stop()
		if err := json.NewEncoder(os.Stdout).Encode(ownFootprint()); err != nil {
			return shepherdkube.StatefulSet{}, err
		}
	}
	return r.Cache.StatefulSet(ctx)
}

func ownFootprint() footprint {
	f := footprint{Resident: kernelCounts("VmRSS"), Own: kernelCounts("RssAnon")}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	f.Heap = int64(memory.HeapAlloc)
	return f
}

// kernelCounts reads a line such as "VmRSS:  12345 kB"; 0 where there is no /proc.
func kernelCounts(name string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == name+":" {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// tendFootprint runs tend for a release and returns what it took.
func (d *deployment) tendFootprint(t *testing.T) footprint {
	t.Helper()
	tender := account{d, d.name + "-shepherd"}
	of, err := json.Marshal(tended{Kubeconfig: suite.plane.Kubeconfig, User: tender.user(), Names: tender.names()})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), timeouts.Patience)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0]) //nolint:gosec // this very binary
	command.Env = append(os.Environ(), tendVariable+"="+string(of))
	var printed, said bytes.Buffer
	command.Stdout, command.Stderr = &printed, &said
	require.NoErrorf(t, childprocess.Run(ctx, command), "tend: %s", &said)
	var f footprint
	require.NoErrorf(t, json.Unmarshal(printed.Bytes(), &f), "tend: %s", &printed)
	return f
}
