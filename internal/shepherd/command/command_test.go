package command_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/statusscreen"
)

func TestMistakesInTheCommandLine(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1, qdranttest.Options{})
	for _, test := range []struct {
		name string
		args []string
		env  map[string]string
		want string
	}{
		{name: "no such sub-command", args: []string{"drain"}, want: `unknown command "drain"`},
		{name: "no such flag", args: []string{"status", "--force"}, want: "unknown flag: --force"},
		{name: "an argument too many", args: []string{"status", "now"}, want: "usage: shepherd status [flags]"},
		{name: "nothing is set", args: []string{"tend"}, env: map[string]string{"SHEPHERD_NAMESPACE": "", "SHEPHERD_STATEFULSET": ""}, want: "set SHEPHERD_STATEFULSET or --statefulset"},
		{name: "no duration", args: []string{"watch"}, env: map[string]string{"SHEPHERD_MAX_WAIT": "soon"}, want: `SHEPHERD_MAX_WAIT (--max-wait): "soon" is not a duration`},
		{name: "a negative duration", args: []string{"watch", "--max-wait", "-5s"}, want: "-5s is negative"},
		{name: "no number", args: []string{"tend"}, env: map[string]string{"SHEPHERD_CONFIRM": "many"}, want: `SHEPHERD_CONFIRM (--confirm): "many" is not a int`},
		{name: "no scheme", args: []string{"status", "--scheme", "ftp"}, want: `--scheme (SHEPHERD_SCHEME): "ftp" is not one of http, https`},
		{name: "no strategy", args: []string{"status", "--strategy", "random"}, want: `"random" is not one of none, count, size`},
		{name: "no transfer method", args: []string{"tend", "--transfer-method", "pigeon"}, want: `"pigeon" is not one of`},
		{name: "no output", args: []string{"status", "-o", "yaml"}, want: `"yaml" is not one of text, json`},
		{name: "no log level", args: []string{"status", "--log-level", "loud"}, want: `"loud" is not one of debug, info, warn, error`},
		{name: "no log format", args: []string{"status", "--log-format", "xml"}, want: `"xml" is not one of json, text`},
		{name: "a plan for nothing", args: []string{"plan"}, want: "--replicas N"},
		{name: "a plan beyond the permissions", args: []string{"plan", "--replicas", "17"}, want: "17 is more than the 16"},
		{name: "a check of nothing", args: []string{"check"}, want: "SHEPHERD_REPLICAS or --replicas N"},
		{name: "no shard", args: []string{"accept-loss"}, want: "name the shards"},
		{name: "a shard that is none", args: []string{"accept-loss", "words"}, want: `"words" is no COLLECTION/SHARD`},
		{name: "a Secret without a name", args: []string{"generate-key"}, want: "set SHEPHERD_SECRET or --secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			own := *w
			own.env = map[string]string{}
			for name, value := range w.env {
				own.env[name] = value
			}
			for name, value := range test.env {
				own.env[name] = value
			}
			code, _, said := own.run(t.Context(), test.args...)
			assert.Equal(t, commandline.ExitUsage, code)
			assert.Contains(t, said, test.want)
			assert.Equal(t, 1, strings.Count(said, "\n"), "one line: %s", said)
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	w := &fixture{}
	code, out, _ := w.run(t.Context(), "version")
	assert.Equal(t, 0, code)
	assert.Equal(t, "1.2.3\n", out)

	code, out, _ = w.run(t.Context())
	assert.Equal(t, 0, code)
	for _, name := range []string{"start", "watch", "tend", "status", "plan", "check", "accept-loss", "generate-key", "version"} {
		assert.Contains(t, out, "\n  "+name+" ")
	}
}

func TestTheKeyIsNeverShown(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1, qdranttest.Options{APIKey: "sesame"})
	for _, args := range [][]string{{"status"}, {"status", "-o", "json"}, {"status", "--help"}, {"check", "--replicas", "1"}, {"status", "--log-level", "debug"}} {
		_, out, said := w.run(t.Context(), args...)
		require.NotEmpty(t, out+said, args)
		assert.NotContains(t, out+said, "sesame", args)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 3, qdranttest.Options{APIKey: "sesame"})
	w.cluster.CreateCollection("words", 3, 2)
	taken, _, err := kube.New(w.api, kube.Names{Namespace: "search", Lease: "q-stop"}).Permit().Take(t.Context(), "q-2", time.Hour)
	require.NoError(t, err)
	require.True(t, taken)

	code, out, said := w.run(t.Context(), "status")
	require.Equal(t, 0, code, said)
	assert.Contains(t, out, "q-2 holds the stop permit")
	assert.Contains(t, out, "q: 3 of 3 pods ready, steady; leader q-")
	assert.Contains(t, out, "all shards are whole")
	assert.Contains(t, out, "6 Active")
	assert.Contains(t, out, "nothing to do")

	var status statusscreen.Status
	_, out, _ = w.run(t.Context(), "status", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(out), &status), out)
	assert.True(t, status.Whole)
	assert.Len(t, status.Peers, 3)
	assert.Equal(t, "a", status.Peers[0].Zone)
}

func TestStatusOfABadDay(t *testing.T) {
	t.Parallel()
	t.Run("wrong key", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, 2, qdranttest.Options{APIKey: "sesame"})
		w.env["SHEPHERD_API_KEY"] = "wrong"
		code, out, _ := w.run(t.Context(), "status")
		assert.Equal(t, 0, code)
		assert.Contains(t, out, "no leader that a majority follows")
		assert.Contains(t, out, "q-0 does not answer: reading the cluster")
		assert.Contains(t, out, "401")
		assert.Contains(t, out, "nothing is changed: ")
	})
	t.Run("no permission", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, 1, qdranttest.Options{})
		require.NoError(t, w.api.CoreV1().ConfigMaps("search").Delete(t.Context(), "q-tend", metav1.DeleteOptions{}))
		code, _, said := w.run(t.Context(), "status")
		assert.Equal(t, 1, code)
		assert.Contains(t, said, "reading configmap q-tend")
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 3, qdranttest.Options{})
	w.cluster.CreateCollection("words", 6, 2)

	code, out, said := w.run(t.Context(), "plan", "--replicas", "4")
	require.Equal(t, 0, code, said)
	assert.Contains(t, out, "3 -> 4 replicas: 3 changes")
	assert.Regexp(t, `q-3 +0 +3`, out)
	assert.Equal(t, []uint64{1001, 1002, 1003}, w.cluster.Members(), "nothing was changed")
	assert.Empty(t, w.cluster.Changes())

	code, out, said = w.run(t.Context(), "plan", "--replicas", "2")
	require.Equal(t, 0, code, said)
	assert.Contains(t, out, "remove q-2 from the cluster (")
	assert.Regexp(t, `q-2 +4 +leaves`, out)

	var resize statusscreen.Resize
	code, out, _ = w.run(t.Context(), "plan", "--replicas", "3", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(out), &resize))
	assert.Equal(t, 0, code)
	assert.True(t, resize.Possible)
	assert.Empty(t, resize.Moves)
}

func TestPlanThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 3, qdranttest.Options{NoHealing: true})
	w.cluster.CreateCollection("words", 1, 1)
	w.cluster.Place("words", 0, 2)
	w.cluster.SetState("words", 0, 2, "Dead")

	code, out, said := w.run(t.Context(), "plan", "--replicas", "2")

	assert.Equal(t, commandline.ExitFailed, code)
	assert.Contains(t, out, "BLOCKED")
	assert.Contains(t, out, "words/0")
	assert.Empty(t, said, "the answer says it all")
}

func TestAcceptLoss(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) *fixture {
		w := newFixture(t, 3, qdranttest.Options{})
		w.cluster.CreateCollection("words", 2, 1)
		w.cluster.Place("words", 0, 1)
		w.cluster.Place("words", 1, 2)
		w.cluster.Server(2).Stop()
		return w
	}
	t.Run("asks and takes no for an answer", func(t *testing.T) {
		t.Parallel()
		for _, answer := range []string{"", "no\n", "y\n"} {
			w := start(t)
			w.in = answer
			code, out, _ := w.run(t.Context(), "accept-loss", "words/1")
			assert.Equal(t, commandline.ExitFailed, code)
			assert.Contains(t, out, "words/1: its copies are on peer 1003 (q-2), which does not answer")
			assert.Contains(t, out, "nothing was changed")
			assert.Empty(t, w.state(t))
		}
	})
	t.Run("writes down what was accepted", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		w.in = "yes\n"
		code, out, said := w.run(t.Context(), "accept-loss", "words/1")
		require.Equal(t, 0, code, said)
		assert.Contains(t, out, "recovery.replaceLostVolumes, which is off")
		assert.Equal(t, "words/1\n", w.state(t)["acceptLoss"])

		code, _, _ = w.run(t.Context(), "accept-loss", "--yes", "--replace-lost-volumes", "words/1")
		require.Equal(t, 0, code)
		assert.Equal(t, "words/1\n", w.state(t)["acceptLoss"], "not twice")
	})
	t.Run("refuses where nothing is lost", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		code, _, said := w.run(t.Context(), "accept-loss", "--yes", "words/1", "words/0")
		assert.Equal(t, commandline.ExitFailed, code)
		assert.Contains(t, said, "shard words/0: a peer that answers has an Active copy")
		assert.Empty(t, w.state(t), "all or nothing")
	})
	t.Run("refuses what nobody knows", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		code, _, said := w.run(t.Context(), "accept-loss", "--yes", "words/7")
		assert.Equal(t, commandline.ExitFailed, code)
		assert.Contains(t, said, "no peer knows it")
	})
	t.Run("refuses without a majority", func(t *testing.T) {
		t.Parallel()
		w := start(t)
		w.cluster.Server(1).Stop()
		code, _, said := w.run(t.Context(), "accept-loss", "--yes", "words/1")
		assert.Equal(t, commandline.ExitFailed, code)
		assert.Contains(t, said, "a majority must answer")
	})
}

func TestGenerateKey(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1, qdranttest.Options{})
	w.env = map[string]string{"SHEPHERD_NAMESPACE": "search", "SHEPHERD_SECRET": "q-keys", "SHEPHERD_SECRET_KEYS": "api-key,read-only"}

	code, out, said := w.run(t.Context(), "generate-key")

	require.Equal(t, 0, code, said)
	assert.Equal(t, "secret q-keys made\n", out)
	secret, err := w.api.CoreV1().Secrets("search").Get(t.Context(), "q-keys", metav1.GetOptions{})
	require.NoError(t, err)
	for _, entry := range []string{"api-key", "read-only"} {
		assert.Regexp(t, `^[A-Za-z0-9_-]{43}$`, secret.StringData[entry], entry)
	}
	assert.NotEqual(t, secret.StringData["api-key"], secret.StringData["read-only"])
}

func TestTendDrainsAPodThatLeaves(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 3, qdranttest.Options{StepEvery: time.Millisecond})
	w.cluster.CreateCollection("words", 4, 2)
	w.env["SHEPHERD_METRICS_LISTEN"] = "127.0.0.1:0"
	w.env["SHEPHERD_INTERVAL"] = "20ms"
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	type ending struct {
		code int
		said string
	}
	done := make(chan ending, 1)
	go func() {
		code, out, said := w.run(ctx, "tend")
		done <- ending{code, out + said}
	}()
	set, err := w.api.AppsV1().StatefulSets("search").Get(ctx, "q", metav1.GetOptions{})
	require.NoError(t, err)
	set.Spec.Replicas = new(int32(2))
	_, err = w.api.AppsV1().StatefulSets("search").Update(ctx, set, metav1.UpdateOptions{})
	require.NoError(t, err)

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, []uint64{1001, 1002}, w.cluster.Members())
		claim, err := w.api.CoreV1().PersistentVolumeClaims("search").Get(ctx, "qdrant-storage-q-2", metav1.GetOptions{})
		assert.NoError(c, err)
		assert.Equal(c, "1003", claim.Annotations["qdrant-shepherd.io/drained"])
	}, within, 20*time.Millisecond)
	cancel()
	end := <-done
	assert.Equal(t, commandline.ExitDone, end.code, end.said)
	lease, err := w.api.CoordinationV1().Leases("search").Get(t.Context(), "q-tend", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Empty(t, *lease.Spec.HolderIdentity, "the next one need not wait")
}
