//go:build controlplane

// Package up runs `make up` and `make down` without Docker, from the first line to the last: with the stand-in and, where QDRANT_BIN names
// a server, with real ones. Each test has a directory below artifacts/up-tests, or below UP_TESTS_DIR, and ports of its own, so that
// nothing of a person's is touched; what a killed run left in it is ended first.
package up

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/quickstart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

const (
	namespace = "qdrant"
	set       = "q-qdrant"
)

// program is tools/up, built once.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	directory, err := os.MkdirTemp("", "up-program-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(directory) }()
	program = filepath.Join(directory, "up")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", program, "./tools/up")
	build.Dir = chart.Root()
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building tools/up: %v\n%s", err, output)
		return 1
	}
	release, err := watchWorlds()
	if err != nil {
		fmt.Fprintf(os.Stderr, "watching the supervisors: %v\n", err)
		return 1
	}
	defer release()
	if directory := os.Getenv(killedVariable); directory != "" {
		return upForever(directory)
	}
	return m.Run()
}

// worlds is the directory of the tests' directories.
func worlds() string {
	return cmp.Or(os.Getenv("UP_TESTS_DIR"), filepath.Join(chart.Root(), "artifacts", "up-tests"))
}

// watchdogScript runs make down in all directories when its input ends without a line. A make up that was killed with the tests may have its
// lock for a moment longer.
const watchdogScript = `read -r over && exit
for directory in "$1"/*/; do
	tries=0
	until UP_DIR=$directory "$2" down || [ $((tries += 1)) -ge 10 ]; do sleep 1; done
done`

// watchWorlds has what the tests bring up taken down if this process ends without release: a supervisor outlives whoever has started it.
func watchWorlds() (release func(), err error) {
	watchdog := exec.CommandContext(context.Background(), "/bin/sh", "-c", watchdogScript, "watchdog", worlds(), program)
	watchdog.Dir = chart.Root()
	watchdog.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no signal to the group of this process reaches it
	alive, err := watchdog.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := watchdog.Start(); err != nil {
		return nil, err
	}
	return func() {
		_, _ = io.WriteString(alive, "over\n")
		_ = watchdog.Wait()
	}, nil
}

// killedVariable makes the test binary a run of the tests that never ends, in the directory that it names and with the first port.
const killedVariable = "UP_TEST_KILLED"

func upForever(directory string) int {
	port, err := strconv.Atoi(os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	w := &world{directory: directory, port: port, env: append(os.Environ(), "UP=local", "UP_DIR="+directory)}
	if said, err := output(context.Background(), w.command(context.Background())); err != nil {
		fmt.Fprintln(os.Stderr, said, err)
		return 1
	}
	fmt.Println("it is up")
	time.Sleep(time.Hour) // and not select, which Go takes for a deadlock
	return 0
}

// world is a directory and the ports of one test.
type world struct {
	directory string
	port      int
	env       []string
}

func newWorld(t *testing.T, server string) *world {
	t.Helper()
	w := &world{directory: filepath.Join(worlds(), t.Name()), port: freePorts(t)}
	w.env = append(os.Environ(), "UP=local", "UP_DIR="+w.directory, "PORT="+strconv.Itoa(w.port), "QDRANT_BIN="+server)
	w.run(t, "down")
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(w.directory, "supervisor.log"))
			t.Logf("the supervisor's log:\n%s", log)
		}
		said, err := output(context.Background(), w.command(context.Background(), "down"))
		assert.NoError(t, err, said)
	})
	return w
}

// tried is the first port of the range that was tried last. Tests run at the same time, and other runs beside this one.
var tried atomic.Int64

// freePorts finds the first of a range that nobody uses: ten ports for each of four pods. It stays below 32768, where Linux begins to
// give ports to connections.
func freePorts(t *testing.T) int {
	t.Helper()
	tried.CompareAndSwap(0, int64(20000+os.Getpid()%100*100))
	for {
		first := int(tried.Add(50))
		require.Less(t, first, 32700, "there are no 40 free ports in a row")
		if rangeIsFree(first, 40) {
			return first
		}
	}
}

func rangeIsFree(first, count int) bool {
	for port := first; port < first+count; port++ {
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return false
		}
		_ = listener.Close()
	}
	return true
}

func (w *world) command(ctx context.Context, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir, command.Env = chart.Root(), w.env
	return command
}

// run runs the program, which must succeed, and returns what it prints.
func (w *world) run(t *testing.T, arguments ...string) string {
	t.Helper()
	began := time.Now()
	said, err := output(t.Context(), w.command(t.Context(), arguments...))
	require.NoError(t, err, said)
	t.Logf("up %s: %.1f s", strings.Join(arguments, " "), time.Since(began).Seconds())
	return said
}

// output runs a command that ends with this process at the latest, and returns what it prints.
func output(ctx context.Context, command *exec.Cmd) (string, error) {
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := childprocess.Run(ctx, command)
	return said.String(), err
}

// fails runs the program, which must end with one line that has the text.
func (w *world) fails(t *testing.T, text string, arguments ...string) {
	t.Helper()
	command := w.command(t.Context(), arguments...)
	var problem bytes.Buffer
	command.Stderr = &problem
	require.Error(t, childprocess.Run(t.Context(), command))
	assert.Contains(t, problem.String(), text)
	assert.Equal(t, 1, strings.Count(problem.String(), "\n"), problem.String())
}

func (w *world) kubernetes(t *testing.T) *k8s.Client {
	t.Helper()
	client, err := k8s.New(filepath.Join(w.directory, "kubeconfig"))
	require.NoError(t, err)
	return client
}

// processes are those whose command line names the directory.
func (w *world) processes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []string
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && bytes.Contains(line, []byte(w.directory)) {
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte(" "))))
		}
	}
	return found
}

// awaitSupervisor returns when the supervisor runs, and the chart is not installed yet.
func (w *world) awaitSupervisor(ctx context.Context) error {
	return k8s.Poll(ctx, timeouts.Patience, "the supervisor", func(context.Context) error {
		_, err := os.Stat(filepath.Join(w.directory, "supervisor.pid"))
		return err
	})
}

func (w *world) killSupervisor(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(w.directory, "supervisor.pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(string(content))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

// awaitEmptiness returns when all that a killed supervisor had started has ended.
func (w *world) awaitEmptiness(t *testing.T) {
	t.Helper()
	await(t, "the end of the supervisor's children", func() error {
		if left := w.processes(t); len(left) > 0 {
			return fmt.Errorf("%d are left: %s", len(left), strings.Join(left, "\n"))
		}
		return nil
	})
}

// rest is the REST API of a pod, with the key of the Secret.
func (w *world) rest(t *testing.T, ordinal int) *clusterapi.Client {
	t.Helper()
	keys, err := w.kubernetes(t).CoreV1().Secrets(namespace).Get(t.Context(), "qdrant-keys", metav1.GetOptions{})
	require.NoError(t, err)
	return clusterapi.New(fmt.Sprintf("http://127.0.0.1:%d", w.port+10*ordinal), string(keys.Data["api-key"]))
}

// gone: nothing runs for the directory, which is not there any more.
func (w *world) gone(t *testing.T) {
	t.Helper()
	assert.Empty(t, w.processes(t))
	assert.NoDirExists(t, w.directory)
}

// TestUpWithRealServers goes through the life of a release whose servers are processes: shepherd's start founds and joins, its watch lets
// go and calls ready, its tend fills a fourth server and empties it again.
func TestUpWithRealServers(t *testing.T) {
	t.Parallel()
	server := os.Getenv("QDRANT_BIN")
	if server == "" {
		t.Skip("SKIP: QDRANT_BIN is not set; set it to the path of a Qdrant server binary; `make qdrant-binary` copies one out of the image")
	}
	w := newWorld(t, server)
	assert.Contains(t, w.run(t), "every answer was right")
	cluster := w.kubernetes(t)
	replicasOf := func(t *testing.T, pods int) []int {
		t.Helper()
		held := make([]int, pods)
		for ordinal := range held {
			view, err := w.rest(t, ordinal).CollectionCluster(t.Context(), "smoke")
			require.NoError(t, err)
			for _, replica := range view.Replicas {
				if replica.Local {
					held[ordinal]++
				}
			}
		}
		return held
	}
	step := func(name string, do func(t *testing.T)) {
		began := time.Now()
		require.True(t, t.Run(name, do), name)
		t.Logf("%s: %.1f s", name, time.Since(began).Seconds())
	}
	step("a_fourth_server_gets_its_share", func(t *testing.T) {
		scale(t, cluster, 4)
		require.NoError(t, cluster.WaitRollout(t.Context(), namespace, set, 4, timeouts.Patience))
		await(t, "a shard on the fourth server", func() error {
			if held := replicasOf(t, 4); held[3] == 0 {
				return fmt.Errorf("the servers hold %v", held)
			}
			return nil
		})
		await(t, "tend to be done", func() error {
			status := w.run(t, "shepherd", "status")
			if !strings.Contains(status, "all shards are whole") || !strings.Contains(status, "nothing to do") {
				return fmt.Errorf("it says:\n%s", status)
			}
			return nil
		})
	})
	step("and_gives_it_back", func(t *testing.T) {
		// Until tend has seen that all is whole, guard refuses.
		await(t, "the shrink", func() error { return tryScale(t.Context(), cluster, 3) })
		require.NoError(t, cluster.WaitRollout(t.Context(), namespace, set, 3, timeouts.Patience))
		view, err := w.rest(t, 0).Cluster(t.Context())
		require.NoError(t, err)
		assert.Len(t, view.Peers, 3)
		var sum int
		for _, held := range replicasOf(t, 3) {
			sum += held
		}
		assert.Equal(t, 6, sum, "three shards, two replicas each")
	})
	step("a_deleted_pod_is_a_server_that_restarts", func(t *testing.T) {
		before, err := w.rest(t, 1).Cluster(t.Context())
		require.NoError(t, err)
		pod, err := cluster.CoreV1().Pods(namespace).Get(t.Context(), set+"-1", metav1.GetOptions{})
		require.NoError(t, err)
		require.NoError(t, cluster.CoreV1().Pods(namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
		await(t, "another pod", func() error {
			now, err := cluster.CoreV1().Pods(namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
			if err == nil && (now.UID == pod.UID || !isReady(now)) {
				err = fmt.Errorf("pod %s is the old one or not ready", now.UID)
			}
			return err
		})
		after, err := w.rest(t, 1).Cluster(t.Context())
		require.NoError(t, err)
		assert.Equal(t, before.PeerID, after.PeerID, "it is the same peer, on the same volume")
	})
	step("a_killed_supervisor", func(t *testing.T) {
		w.killSupervisor(t)
		w.awaitEmptiness(t)
		assert.Contains(t, w.run(t), "removed what an earlier run had left")
	})
	step("down", func(t *testing.T) {
		w.run(t, "down")
		w.gone(t)
	})
}

func TestUpWithTheStandIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(w.port))
	require.NoError(t, err)
	w.fails(t, fmt.Sprintf("make up: port %d is taken", w.port))
	assert.Empty(t, w.processes(t), "a run that failed leaves nothing running")
	require.NoError(t, listener.Close())

	first := w.run(t)
	introduction, _, _ := strings.Cut(first, "\n\n")
	assert.Contains(t, introduction, "It is not Qdrant", "the first lines say so")
	for _, pod := range []string{"q-qdrant-0", "q-qdrant-1", "q-qdrant-2"} {
		assert.Regexp(t, pod+" +ready", first)
	}
	assert.Contains(t, first, "every answer was right")
	assert.Regexp(t, `king +prince 0\.\d\d +queen 0\.\d\d`, first, "real words, with no network to fetch them from")
	cluster, err := w.rest(t, 2).Cluster(t.Context())
	require.NoError(t, err)
	assert.Len(t, cluster.Peers, 3)
	_, err = clusterapi.New(fmt.Sprintf("http://127.0.0.1:%d", w.port), "").Cluster(t.Context())
	assert.ErrorContains(t, err, strconv.Itoa(http.StatusUnauthorized), "without the key")

	assert.Contains(t, w.run(t), "revision 2", "the same again upgrades the release")
	w.killSupervisor(t)
	w.awaitEmptiness(t)
	again := w.run(t)
	assert.Contains(t, again, "removed what an earlier run had left")
	assert.Contains(t, again, "revision 1")
	w.run(t, "down")
	w.gone(t)
	assert.Contains(t, w.run(t, "down"), "There is nothing in "+w.directory)
}

func TestUpThatIsKilledHalfWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	half := w.command(t.Context())
	process, err := childprocess.Start(half, childprocess.Files{})
	require.NoError(t, err)
	require.NoError(t, w.awaitSupervisor(t.Context()))
	w.fails(t, "another make up or make down is at work in "+w.directory)
	require.NoError(t, half.Process.Kill())
	require.Error(t, process.Wait())

	assert.Contains(t, w.run(t), "It runs", "the next run goes on with it")
	w.run(t, "down")
	w.gone(t)
}

// TestATestRunThatIsKilled: Given a run of these tests with a supervisor; When it is killed; Then the supervisor and all else end.
func TestATestRunThatIsKilled(t *testing.T) {
	t.Parallel()
	// A directory of its own for the worlds of the inner run, which its watchdog takes down.
	tests := filepath.Join(t.TempDir(), "tests")
	w := &world{directory: filepath.Join(tests, "world"), port: freePorts(t)}
	inner := exec.CommandContext(t.Context(), os.Args[0])
	inner.Env = append(os.Environ(), "UP_TESTS_DIR="+tests, killedVariable+"="+w.directory, "PORT="+strconv.Itoa(w.port), "QDRANT_BIN=")
	said, err := inner.StdoutPipe()
	require.NoError(t, err)
	inner.Stderr = os.Stderr
	process, err := childprocess.Start(inner, childprocess.Files{})
	require.NoError(t, err)
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "it is up\n", line)
	require.NotEmpty(t, w.processes(t))
	require.NoError(t, process.Process.Kill())
	require.Error(t, process.Wait())
	await(t, "the directory to be gone", func() error {
		if _, err := os.Stat(w.directory); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there: %w", w.directory, err)
		}
		return nil
	})
	assert.Empty(t, w.processes(t))
}

func TestUpWithAServerThatEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hauntedServer(t))
	w.fails(t, "with code 3: Error: the machine is haunted")
	assert.Empty(t, w.processes(t), "a run that failed leaves nothing running")
}

func hauntedServer(t *testing.T) string {
	t.Helper()
	server := filepath.Join(t.TempDir(), "qdrant")
	require.NoError(t, os.WriteFile(server, []byte(`#!/bin/sh
[ "$1" != --version ] || { echo qdrant 1.18.3; exit 0; }
echo Error: the machine is haunted
exit 3
`), 0o755))
	return server
}

// TestUpWithAPortThatIsTakenMeanwhile: the ports were free when it began, and a pod's own is not when its server should start.
func TestUpWithAPortThatIsTakenMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hauntedServer(t))
	taken := make(chan error, 1)
	go func() {
		err := w.awaitSupervisor(t.Context())
		if err == nil {
			var listener net.Listener
			if listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(w.port)); err == nil {
				defer func() { _ = listener.Close() }()
			}
		}
		taken <- err
		<-t.Context().Done()
	}()
	w.fails(t, fmt.Sprintf("of q-qdrant-0 has ended 3 times, with code 1: port %d is taken", w.port))
	require.NoError(t, <-taken)
	assert.Empty(t, w.processes(t), "a run that failed leaves nothing running")
}

func await(t *testing.T, what string, ask func() error) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, what, func(context.Context) error { return ask() }))
}

func scale(t *testing.T, cluster *k8s.Client, replicas int32) {
	t.Helper()
	require.NoError(t, tryScale(t.Context(), cluster, replicas))
}

func tryScale(ctx context.Context, cluster *k8s.Client, replicas int32) error {
	now, err := cluster.AppsV1().StatefulSets(namespace).GetScale(ctx, set, metav1.GetOptions{})
	if err != nil {
		return err
	}
	now.Spec.Replicas = replicas
	_, err = cluster.AppsV1().StatefulSets(namespace).UpdateScale(ctx, set, now, metav1.UpdateOptions{})
	return err
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// TestQuickStart runs what README.md says a newcomer should run, in another directory and on other ports, and compares what it prints.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	start, err := quickstart.Read()
	require.NoError(t, err)
	server := os.Getenv("QDRANT_BIN")
	w := newWorld(t, server)
	own := filepath.Join(t.TempDir(), "cities.jsonl")
	script := strings.NewReplacer("$PWD/artifacts/up/", w.directory+"/", "cities.jsonl", own).Replace(start.Up + start.Access + start.Vectors)
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir, command.Env = chart.Root(), append(slices.Clone(w.env), "QDRANT_TARGET=localhost:"+strconv.Itoa(w.port+1))
	said, err := output(t.Context(), command)
	require.NoError(t, err, said)

	assert.Empty(t, start.Missing(said, server != ""), said)
}
