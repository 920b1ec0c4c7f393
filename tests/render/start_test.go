package render

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// wait bounds everything that a script does here; all of it takes milliseconds.
const wait = 30 * time.Second

func bash(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIP: the scripts of the chart need bash to be run: install it with the system's package manager")
	}
	return path
}

func TestScriptsAreBash(t *testing.T) {
	t.Parallel()
	shell := bash(t)
	scripts := map[string]string{}
	for name, values := range map[string]string{"a cluster": ``, "with TLS": `tls: {enabled: true, existingSecret: s}`, "a single node": `{replicas: 1, cluster: {enabled: false}}`, "shepherd": withShepherd} {
		o := chart.Render(t, values)
		scripts["start.sh of "+name] = o.ConfigMap(t, chart.Fullname).Data["start.sh"]
		if o.Has("Pod", "q-qdrant-test") && values != withShepherd {
			command := o.Pod(t, "q-qdrant-test").Spec.Containers[0].Command
			require.Equal(t, []string{"/bin/bash", "-c"}, command[:2])
			scripts["the test of "+name] = command[2]
		}
	}
	each(t, scripts, func(t *testing.T, script string) {
		check := exec.CommandContext(t.Context(), shell, "-n")
		check.Stdin = strings.NewReader(script)
		output, err := check.CombinedOutput()
		require.NoError(t, err, "%s", output)
		assert.Empty(t, string(output))
	})
}

// peer is a pod that runs the rendered start.sh, in a directory in place of /qdrant. The server is a stub that says how it was
// started; which peers answer is a matter of files.
type peer struct {
	dir    string
	stays  bool // the script stays above the server
	cmd    *exec.Cmd
	stderr *output
	done   chan error
}

// output is a buffer that may be read while a process writes to it.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

func newPeer(t *testing.T, pod, values string) *peer {
	t.Helper()
	shell := bash(t)
	dir := t.TempDir()
	for _, name := range []string{"storage", "bin", "answers"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	executable := func(path, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte("#!"+shell+"\n"+text), 0o755))
	}
	executable("qdrant", `printf '%s\n' "$$" "$(ulimit -Sn)" "$(ulimit -Hn)" "$@" > started.tmp && mv started.tmp started; exit 7`+"\n")
	// timeout 2 bash -c "</dev/tcp/HOST/6335": the peer answers if there is a file of its name.
	executable("bin/timeout", `echo "$4" >> "`+dir+`/asked"
host=${4#</dev/tcp/}; [ "${host#*/}" = 6335 ] && [ -e "`+dir+`/answers/${host%/*}" ]`+"\n")
	executable("bin/sleep", "exec /bin/sleep 0.01\n")

	script := chart.Render(t, values).ConfigMap(t, chart.Fullname).Data["start.sh"]
	require.Contains(t, script, "\ncd /qdrant\n")
	script = strings.ReplaceAll(script, "\ncd /qdrant\n", "\ncd "+dir+"\n")
	script = strings.ReplaceAll(script, "/qdrant/shepherd/", dir+"/shepherd/")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "start.sh"), []byte(script), 0o644))

	ctx, cancel := context.WithTimeout(t.Context(), wait)
	t.Cleanup(cancel)
	p := &peer{dir: dir, stays: values == withShepherd, stderr: &output{}, done: make(chan error, 1)}
	p.cmd = exec.CommandContext(ctx, shell, filepath.Join(dir, "start.sh"))
	p.cmd.Env = []string{"POD_NAME=" + pod, "PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")}
	p.cmd.Stderr = p.stderr
	p.cmd.WaitDelay = time.Second
	return p
}

// state writes raft_state.json as a peer leaves it.
func (p *peer) state(t *testing.T, text string) *peer {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(p.dir, "storage", "raft_state.json"), []byte(text), 0o644))
	return p
}

// answers makes other pods answer on the peers' port.
func (p *peer) answers(t *testing.T, pods ...string) *peer {
	t.Helper()
	for _, pod := range pods {
		host := pod + ".q-qdrant-headless." + chart.Namespace + ".svc.cluster.local"
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, "answers", host), nil, 0o644))
	}
	return p
}

func (p *peer) start(t *testing.T) *peer {
	t.Helper()
	require.NoError(t, p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	return p
}

// says waits until the script has said something.
func (p *peer) says(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), text) }, wait, 5*time.Millisecond, "%s", p.stderr)
}

// arguments waits for the server and returns what it was started with.
func (p *peer) arguments(t *testing.T) []string {
	t.Helper()
	var exit *exec.ExitError
	require.ErrorAs(t, <-p.done, &exit, "%s", p.stderr)
	require.Equal(t, 7, exit.ExitCode(), "the server's exit code is the container's: %s", p.stderr)
	started, err := os.ReadFile(filepath.Join(p.dir, "started"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(started), "\n"), "\n")
	require.GreaterOrEqual(t, len(lines), 3)
	if !p.stays {
		assert.Equal(t, strconv.Itoa(p.cmd.Process.Pid), lines[0], "the server is not the process that the container started")
	}
	assert.Equal(t, lines[2], lines[1], "the soft limit of open files is not the hard one")
	return lines[3:]
}

// asked returns the pods that the script tried to reach, each once.
func (p *peer) asked(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "asked"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	var pods []string
	for line := range strings.Lines(string(text)) {
		pod, _, _ := strings.Cut(strings.TrimPrefix(line, "</dev/tcp/"), ".")
		if !slices.Contains(pods, pod) {
			pods = append(pods, pod)
		}
	}
	return pods
}

func uri(pod string) string {
	return "http://" + pod + ".q-qdrant-headless.qdrant-test.svc.cluster.local:6335"
}

// joined is what a member of a cluster has on its volume, and refused what an attempt to join leaves behind.
const (
	joined  = `{"state":{"hard_state":{"term":2,"vote":7,"commit":12},"conf_state":{}},"this_peer_id":7}`
	refused = `{"state":{"hard_state":{"term":0,"vote":0,"commit":0},"conf_state":{}},"this_peer_id":9}`
)

func TestStart(t *testing.T) {
	t.Parallel()
	var others []string // all that there may be
	for ordinal := 1; ordinal < 16; ordinal++ {
		others = append(others, fmt.Sprintf("q-qdrant-%d", ordinal))
	}
	each(t, map[string]struct {
		pod     string
		values  string
		state   string
		answers []string
		want    []string
		asked   []string
		says    string
	}{
		"pod 0 founds the cluster when nobody answers": {
			pod:   "q-qdrant-0",
			want:  []string{"--uri", uri("q-qdrant-0"), "--bootstrap", uri("q-qdrant-0")},
			asked: others,
		},
		"pod 0 with an empty volume joins the cluster that is there": {
			pod: "q-qdrant-0", answers: []string{"q-qdrant-2"},
			want:  []string{"--uri", uri("q-qdrant-0"), "--bootstrap", uri("q-qdrant-2")},
			asked: []string{"q-qdrant-1", "q-qdrant-2"},
			says:  "the volume is empty and q-qdrant-2 responds",
		},
		"pod 0 whose join was refused tries again": {
			pod: "q-qdrant-0", state: refused, answers: []string{"q-qdrant-1", "q-qdrant-2"},
			want: []string{"--uri", uri("q-qdrant-0"), "--bootstrap", uri("q-qdrant-1")}, asked: []string{"q-qdrant-1"},
		},
		"pod 0 that was a member needs nobody": {
			pod: "q-qdrant-0", state: joined,
			want: []string{"--uri", uri("q-qdrant-0"), "--bootstrap", uri("q-qdrant-0")}, asked: nil,
		},
		"another pod that was a member needs nobody": {
			pod: "q-qdrant-2", state: joined,
			want: []string{"--uri", uri("q-qdrant-2"), "--bootstrap", uri("q-qdrant-0")}, asked: nil,
		},
		"another pod joins through pod 0": {
			pod: "q-qdrant-1", answers: []string{"q-qdrant-0"},
			want: []string{"--uri", uri("q-qdrant-1"), "--bootstrap", uri("q-qdrant-0")}, asked: []string{"q-qdrant-0"},
		},
		"further arguments come last": {
			pod: "q-qdrant-1", answers: []string{"q-qdrant-0"}, values: `extraArgs: [--disable-telemetry]`,
			want: []string{"--uri", uri("q-qdrant-1"), "--bootstrap", uri("q-qdrant-0"), "--disable-telemetry", "two words"}, asked: []string{"q-qdrant-0"},
		},
		"with TLS peers have https addresses": {
			pod: "q-qdrant-1", answers: []string{"q-qdrant-0"}, values: `tls: {enabled: true, existingSecret: s}`,
			want:  []string{"--uri", strings.Replace(uri("q-qdrant-1"), "http", "https", 1), "--bootstrap", strings.Replace(uri("q-qdrant-0"), "http", "https", 1)},
			asked: []string{"q-qdrant-0"},
		},
		"with TLS for clients alone they have not": {
			pod: "q-qdrant-1", answers: []string{"q-qdrant-0"}, values: `tls: {enabled: true, existingSecret: s, p2p: false}`,
			want: []string{"--uri", uri("q-qdrant-1"), "--bootstrap", uri("q-qdrant-0")}, asked: []string{"q-qdrant-0"},
		},
		"a single node has no peers": {
			pod: "q-qdrant-0", values: `{replicas: 1, cluster: {enabled: false}}`, want: []string{}, asked: nil,
		},
	}, func(t *testing.T, c struct {
		pod     string
		values  string
		state   string
		answers []string
		want    []string
		asked   []string
		says    string
	}) {
		p := newPeer(t, c.pod, c.values).answers(t, c.answers...)
		if c.state != "" {
			p.state(t, c.state)
		}
		if strings.Contains(c.values, "extraArgs") {
			p.cmd.Args = append(p.cmd.Args, "--disable-telemetry", "two words")
		}
		assert.Equal(t, c.want, p.start(t).arguments(t))
		assert.Equal(t, c.asked, p.asked(t))
		if c.says != "" {
			assert.Contains(t, p.stderr.String(), c.says)
		}
	})
}

// With shepherd the script decides nothing: it passes on what was decided, and does not start a server without.
func TestStartAsShepherdDecided(t *testing.T) {
	t.Parallel()
	each(t, map[string]struct {
		arguments string
		further   []string
		want      []string
	}{
		"one argument a line":         {arguments: "--uri\nhttp://a:6335\n--bootstrap\nhttp://b:6335\n", want: []string{"--uri", "http://a:6335", "--bootstrap", "http://b:6335"}},
		"spaces and stars are kept":   {arguments: "--uri\ntwo  words *\n", want: []string{"--uri", "two  words *"}},
		"no end of the last line":     {arguments: "--uri\nhttp://a:6335", want: []string{"--uri", "http://a:6335"}},
		"none":                        {want: []string{}},
		"further arguments come last": {arguments: "--uri\nhttp://a:6335\n", further: []string{"--disable-telemetry"}, want: []string{"--uri", "http://a:6335", "--disable-telemetry"}},
	}, func(t *testing.T, c struct {
		arguments string
		further   []string
		want      []string
	}) {
		p := newPeer(t, "q-qdrant-1", withShepherd)
		require.NoError(t, os.Mkdir(filepath.Join(p.dir, "shepherd"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, "shepherd", "arguments"), []byte(c.arguments), 0o600))
		p.cmd.Args = append(p.cmd.Args, c.further...)
		assert.Equal(t, c.want, p.start(t).arguments(t))
		assert.Empty(t, p.asked(t))
	})

	p := newPeer(t, "q-qdrant-1", withShepherd).start(t)
	require.Error(t, <-p.done, "nothing was decided")
	assert.NoFileExists(t, filepath.Join(p.dir, "started"))
}

// A new peer waits for the one that it joins through, for trying would end the process; then it joins.
func TestStartWaitsForPodZero(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]string{"empty volume": "", "refused join": refused} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "q-qdrant-1", ``).answers(t, "q-qdrant-2")
			if state != "" {
				p.state(t, state)
			}
			p.start(t).says(t, "waiting for q-qdrant-0 to respond")
			assert.NoFileExists(t, filepath.Join(p.dir, "started"))
			assert.Equal(t, []string{"q-qdrant-0"}, p.asked(t))
			p.answers(t, "q-qdrant-0")
			assert.Equal(t, []string{"--uri", uri("q-qdrant-1"), "--bootstrap", uri("q-qdrant-0")}, p.arguments(t))
		})
	}
}

// A pod that waits can be deleted at once. As PID 1 the shell would ignore SIGTERM if it had no handler of its own.
func TestStartCanBeStoppedWhileItWaits(t *testing.T) {
	t.Parallel()
	p := newPeer(t, "q-qdrant-1", ``).start(t)
	p.says(t, "waiting for q-qdrant-0")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	var exit *exec.ExitError
	require.ErrorAs(t, <-p.done, &exit)
	assert.Equal(t, 143, exit.ExitCode(), "-1 is death by the signal's default, which PID 1 does not have")
	assert.NoFileExists(t, filepath.Join(p.dir, "started"))
}

// TestStopUnderShepherd: the script stays above the server, so it must hand a stop on, wait for the server and end with its code, and end a
// server that does not.
func TestStopUnderShepherd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server string
		stop   bool
		want   int
	}{
		"the server ends by itself":            {server: "exit 7", want: 7},
		"the server stops well":                {server: "trap 'exit 0' TERM; touch running; while :; do /bin/sleep 0.01; done", stop: true, want: 0},
		"the server takes its time":            {server: "trap '/bin/sleep 0.2; exit 0' TERM; touch running; while :; do /bin/sleep 0.01; done", stop: true, want: 0},
		"the server fails as it stops":         {server: "trap 'exit 3' TERM; touch running; while :; do /bin/sleep 0.01; done", stop: true, want: 3},
		"the server never stops, and is ended": {server: "trap '' TERM; touch running; while :; do /bin/sleep 0.01; done", stop: true, want: 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, "q-qdrant-0", withShepherd)
			require.NoError(t, os.WriteFile(filepath.Join(p.dir, "qdrant"), []byte("#!"+bash(t)+"\n"+c.server+"\n"), 0o755))
			require.NoError(t, os.MkdirAll(filepath.Join(p.dir, "shepherd"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(p.dir, "shepherd", "arguments"), []byte("--uri\nhttp://x:6335\n"), 0o644))
			// Half a second stands for the thirty that a server has to stop.
			require.NoError(t, os.WriteFile(filepath.Join(p.dir, "bin", "sleep"), []byte("#!"+bash(t)+"\nexec /bin/sleep 0.5\n"), 0o755))
			p.start(t)
			if c.stop {
				require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(p.dir, "running")); return err == nil }, wait, 5*time.Millisecond)
				require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			}
			err := <-p.done
			assert.Equal(t, c.want, p.cmd.ProcessState.ExitCode(), "%v: %s", err, p.stderr)
		})
	}
}
