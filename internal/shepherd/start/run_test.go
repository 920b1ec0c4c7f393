package start_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
)

func uri(pod string) string { return "http://" + pod + ".q-headless:6335" }

// Tests of Run run in a bubble, whose time passes only while everything waits: what they say of time depends on no machine.
const (
	interval = 5 * time.Millisecond
	// severalLooks is the time for many more looks than a decision takes; a wait looks every tenth interval at least.
	severalLooks = 20 * 10 * interval
	soon         = time.Minute
)

// inBubble runs a subtest with a clock of its own. What runs in it reaches servers by function calls: a network would stop that clock.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

// eventually waits for a condition, by the bubble's clock.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for began := time.Now(); !condition(); <-time.After(time.Millisecond) {
		if time.Since(began) > soon {
			require.Fail(t, "waited in vain: "+what)
		}
	}
}

// pod is a pod that starts: its volume, what it shares with its server, and its log.
type pod struct {
	options start.Options
	log     *bytes.Buffer
}

func newPod(t *testing.T, ordinal int, api *apiServer, client func(string) *clusterapi.Client) *pod {
	t.Helper()
	log := &bytes.Buffer{}
	return &pod{log: log, options: start.Options{
		Names: names, Pod: names.Pod(ordinal), URI: uri, Client: client, Kubernetes: api,
		Storage: t.TempDir(), Shared: t.TempDir(), ReplicasLimit: 5,
		APIWait: 20 * time.Millisecond, JoinWait: 20 * time.Millisecond, Interval: interval, AskTimeout: time.Second,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}}
}

// starts runs the decision to its end and returns the arguments.
func (p *pod) starts(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.NoError(t, start.Run(ctx, p.options), p.log)
	arguments, err := os.ReadFile(filepath.Join(p.options.Shared, start.ArgumentsFile))
	require.NoError(t, err)
	return string(arguments)
}

// waits lets the decision run until the claim has the verdict, and then for some looks more, in which nothing may start.
func (p *pod) waits(t *testing.T, api *apiServer, ordinal int, verdict start.Verdict) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- start.Run(ctx, p.options) }()
	eventually(t, "verdict "+string(verdict), func() bool { return api.verdict(ordinal) == verdict })
	select {
	case err := <-ended:
		t.Fatalf("it did not wait: %v\n%s", err, p.log)
	case <-time.After(severalLooks):
	}
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	assert.NoFileExists(t, filepath.Join(p.options.Shared, start.ArgumentsFile))
}

// neverStarts lets the decision run for many times any wait of its options, and checks that nothing may start.
func (p *pod) neverStarts(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), severalLooks)
	defer cancel()
	require.ErrorIs(t, start.Run(ctx, p.options), context.DeadlineExceeded)
	assert.NoFileExists(t, filepath.Join(p.options.Shared, start.ArgumentsFile))
}

// state puts a peer on the volume, as a server of 1.18 writes it.
func (p *pod) state(t *testing.T, id clusterapi.PeerID, term int, voters, stored string) {
	t.Helper()
	text := fmt.Sprintf(`{"state":{"hard_state":{"term":%d,"vote":0,"commit":3},"conf_state":{"voters":[%s],"learners":[]}},"peer_address_by_id":{"%d":"%s"},"this_peer_id":%d}`,
		term, voters, id, stored, id)
	p.file(t, "raft_state.json", text)
}

func (p *pod) file(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.options.Storage, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func (p *pod) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.options.Storage, name))
	require.NoError(t, err)
	return string(text)
}

func clients(c *qdranttest.Cluster, key string) func(string) *clusterapi.Client {
	return func(pod string) *clusterapi.Client {
		for _, s := range c.Servers() {
			if s.Name() == pod {
				return clusterapi.NewWithHTTP("http://"+pod, key, s.Client())
			}
		}
		return clusterapi.NewWithHTTP("http://"+pod, key, &http.Client{Transport: noNetwork{}})
	}
}

func TestFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer(3)
		p := newPod(t, 0, api, nobody(t))
		assert.Equal(t, "--uri\n"+uri("q-0")+"\n", p.starts(t))
		claim := api.claim(0)
		assert.Equal(t, kube.Founding, claim.Peer, "a cluster was formed: that is on the claim before the server runs")
		assert.Equal(t, 1, claim.Starts)
		assert.Equal(t, start.Found, api.verdict(0))
		assert.Equal(t, "1\n", p.read(t, ".shepherd/starts"))

		// The image could not be pulled: the pod comes again, and the server never ran.
		assert.Equal(t, "--uri\n"+uri("q-0")+"\n", p.starts(t))
		assert.Equal(t, 2, api.claim(0).Starts)
		// And its beginning is no state, nor in the way.
		p.state(t, 7, 0, "7", "")
		assert.Equal(t, "--uri\n"+uri("q-0")+"\n", p.starts(t))
		assert.Contains(t, p.read(t, "raft_state.json"), "7")
		// It ran: then it starts as it is, and its id replaces the announcement.
		p.state(t, 7, 1, "7", uri("q-0")+"/")
		assert.Equal(t, "--uri\n"+uri("q-0")+"\n--bootstrap\n"+uri("q-1")+"\n", p.starts(t))
		assert.EqualValues(t, 7, api.claim(0).Peer)
		// It is emptied, with nobody there.
		require.NoError(t, os.RemoveAll(p.options.Storage))
		require.NoError(t, os.Mkdir(p.options.Storage, 0o755))
		p.waits(t, api, 0, start.WaitEmptied)
	})
}

func TestAnInterruptedJoinIsNoBeginningOfACluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer(1)
		p := newPod(t, 0, api, nobody(t))
		p.state(t, 8, 0, "", "")
		p.starts(t)
		assert.NoFileExists(t, filepath.Join(p.options.Storage, "raft_state.json"), "the server would wait for a leader for ever")
		aside, err := filepath.Glob(filepath.Join(p.options.Storage, ".shepherd/set-aside/*-peer-8/raft_state.json"))
		require.NoError(t, err)
		assert.Len(t, aside, 1)
	})
}

func TestOtherOrdinalsWaitForTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer(3)
		p := newPod(t, 2, api, nobody(t))
		p.waits(t, api, 2, start.WaitFirst)
		assert.Equal(t, 1, api.writes, "a verdict is written once")
		api.annotate(0, kube.AnnotationPeer, "12")
		p.waits(t, api, 2, start.WaitPeers)
	})
}

func TestJoin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := qdranttest.Start(t, 2, qdranttest.Options{})
		api := newAPIServer(3)
		p := newPod(t, 2, api, clients(c, ""))
		p.state(t, 9, 0, "9", "") // of a server that ran without cluster mode, with its data
		p.file(t, "collections/c/config.json", "{}")
		assert.Equal(t, "--uri\n"+uri("q-2")+"\n--bootstrap\n"+uri("q-0")+"\n", p.starts(t))
		assert.Equal(t, kube.Founding, api.claim(2).Peer, "marked before the server runs")
		assert.NoDirExists(t, filepath.Join(p.options.Storage, "collections"), "no cluster may take old data for its own")
		aside, err := filepath.Glob(filepath.Join(p.options.Storage, ".shepherd/set-aside/*-peer-9/collections/c/config.json"))
		require.NoError(t, err)
		assert.Len(t, aside, 1)
	})
}

func TestLostVolume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		c.Place("c", 0, 0, 1)
		c.Place("c", 1, 0, 2)
		api := newAPIServer(3)
		for _, s := range c.Servers() {
			api.annotate(s.Ordinal(), kube.AnnotationPeer, fmt.Sprint(s.ID()))
		}
		lost := c.Server(0)
		id := lost.ID()
		lost.Stop()
		lost.LoseVolume()
		p := newPod(t, 0, api, clients(c, ""))
		p.waits(t, api, 0, start.WaitLostVolume)
		assert.EqualValues(t, id, start.ParseAnnotation(api.claim(0).Verdict).Peer, "tend reads from it which peer is lost")

		// Its replicas are dropped; the peer, without shards, makes way by itself.
		c.Place("c", 0, 1)
		c.Place("c", 1, 2)
		assert.Equal(t, "--uri\n"+uri("q-0")+"\n--bootstrap\n"+uri("q-1")+"\n", p.starts(t))
		assert.Equal(t, kube.Founding, api.claim(0).Peer, "the old id is another peer's")
		require.NoError(t, lost.StartWith(uri("q-0"), uri("q-1")))
	})
}

func TestRemovedPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := qdranttest.Start(t, 2, qdranttest.Options{})
		api := newAPIServer(3)
		for ordinal, id := range []string{"1001", "1002", "1777"} {
			api.annotate(ordinal, kube.AnnotationPeer, id)
		}
		api.annotate(2, kube.AnnotationDrained, "1777")
		p := newPod(t, 2, api, clients(c, ""))
		p.state(t, 1777, 4, "1001,1002,1777", uri("q-2")+"/")
		p.file(t, "collections/c/0/replica_state.json", "{}")
		p.file(t, "lost+found/x", "")

		c.Server(1).Stop()
		p.waits(t, api, 2, start.WaitPeers) // one peer's word is not enough, and a peer that was removed disturbs the others
		require.NoError(t, c.Server(1).Start())

		assert.Equal(t, "--uri\n"+uri("q-2")+"\n--bootstrap\n"+uri("q-0")+"\n", p.starts(t))
		entries, err := os.ReadDir(p.options.Storage)
		require.NoError(t, err)
		require.Len(t, entries, 2, "nothing of the old peer is left: %v", entries)
		assert.Zero(t, api.claim(2).Drained)
		assert.Equal(t, kube.Founding, api.claim(2).Peer)
		aside, err := filepath.Glob(filepath.Join(p.options.Storage, ".shepherd/set-aside/*-peer-1777/collections/c/0/replica_state.json"))
		require.NoError(t, err)
		assert.Len(t, aside, 1)
	})
}

func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		api := newAPIServer(3)
		p := newPod(t, 1, api, clients(c, ""))
		p.state(t, clusterapi.PeerID(c.Server(1).ID()), 4, "1001,1002,1003", "http://q-1.old:6335/")
		p.file(t, ".shepherd/starts", "4\n")
		api.annotate(1, kube.AnnotationPeer, "1002")
		api.annotate(1, kube.AnnotationStarts, "4")
		c.Server(1).Stop()
		assert.Equal(t, "--uri\n"+uri("q-1")+"\n--bootstrap\n"+uri("q-0")+"\n", p.starts(t), "the address may change: a majority is there to hear of it")
		assert.Equal(t, 5, api.claim(1).Starts)

		c.Server(0).Stop()
		c.Server(2).Stop()
		assert.Equal(t, "--uri\nhttp://q-1.old:6335\n--bootstrap\n"+uri("q-0")+"\n", p.starts(t), "nobody is there: it stays")
		assert.Equal(t, 6, api.claim(1).Starts)

		p.file(t, ".shepherd/starts", "5\n") // an old copy is put back
		p.waits(t, api, 1, start.WaitOldVolume)
		p.file(t, ".shepherd/starts", "")
		p.waits(t, api, 1, start.WaitUnreadable)
	})
}

func TestUnmarkedState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer(3)
		p := newPod(t, 1, api, nobody(t))
		p.state(t, 1002, 4, "1001,1002,1003", uri("q-1"))
		p.starts(t)
		assert.False(t, api.claim(1).Marked(), "a release without marks gets its first one from a peer that is seen alive")
		api.annotate(0, kube.AnnotationPeer, "1001")
		p.waits(t, api, 1, start.WaitOldVolume)
	})
}

func TestUnreadableStateIsNotNoState(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", "{}", `{"this_peer_id":0}`} {
		inBubble(t, text, func(t *testing.T) {
			api := newAPIServer(1)
			p := newPod(t, 0, api, nobody(t))
			p.file(t, "raft_state.json", text)
			p.waits(t, api, 0, start.WaitUnreadable)
		})
	}
}

func TestWrongKeyIsNotNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := qdranttest.Start(t, 2, qdranttest.Options{APIKey: "right"})
		c.Server(0).Stop()
		api := newAPIServer(2)
		p := newPod(t, 0, api, clients(c, "wrong"))
		p.waits(t, api, 0, start.WaitPeers)
		assert.Contains(t, api.claim(0).Verdict, "q-1: reading the cluster")
	})
}

func TestTwoClusters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := qdranttest.Start(t, 2, qdranttest.Options{})
		second := c.Server(1)
		second.Stop()
		second.LoseVolume()
		require.NoError(t, second.StartWith(uri("q-1"), ""))
		api := newAPIServer(3)
		p := newPod(t, 2, api, clients(c, ""))
		p.waits(t, api, 2, start.WaitPeers)
	})
}

func TestWithoutAPIServer(t *testing.T) {
	t.Parallel()
	inBubble(t, "no state waits", func(t *testing.T) {
		api := newAPIServer(1)
		api.away = true
		p := newPod(t, 0, api, nobody(t))
		p.neverStarts(t)
		assert.Equal(t, 1, bytes.Count(p.log.Bytes(), []byte("\n")), "one clear line: %s", p.log)
		assert.Contains(t, p.log.String(), "connection refused")
	})
	inBubble(t, "own state starts after a while", func(t *testing.T) {
		api := newAPIServer(1)
		api.away = true
		p := newPod(t, 0, api, nobody(t))
		p.state(t, 5, 1, "5", uri("q-0"))
		assert.Contains(t, p.starts(t), "--bootstrap")
		assert.Equal(t, "1\n", p.read(t, ".shepherd/starts"), "counted all the same")
		assert.Contains(t, p.log.String(), "unchecked")
	})
	inBubble(t, "own state starts though nothing can be written", func(t *testing.T) {
		api := newAPIServer(1)
		api.readOnly = true
		p := newPod(t, 0, api, nobody(t))
		p.state(t, 5, 1, "5", uri("q-0"))
		p.starts(t)
		assert.Equal(t, "1\n", p.read(t, ".shepherd/starts"))
	})
	inBubble(t, "nothing is founded unannounced", func(t *testing.T) {
		api := newAPIServer(1)
		api.readOnly = true
		p := newPod(t, 0, api, nobody(t))
		p.neverStarts(t)
	})
}

func TestAnswersOfTheAPIServerThatAreNone(t *testing.T) {
	t.Parallel()
	inBubble(t, "a refusal is waited on", func(t *testing.T) {
		api := newAPIServer(1)
		api.denies = true
		p := newPod(t, 0, api, nobody(t))
		p.state(t, 5, 1, "5", uri("q-0"))
		p.neverStarts(t)
		assert.Contains(t, p.log.String(), "forbidden")
		assert.NotContains(t, p.log.String(), "does not answer")
	})
	inBubble(t, "an annotation that makes no sense is waited on, and said on the claim", func(t *testing.T) {
		api := newAPIServer(1)
		api.annotate(0, kube.AnnotationPeer, garbage)
		p := newPod(t, 0, api, nobody(t))
		p.state(t, 5, 1, "5", uri("q-0"))
		p.waits(t, api, 0, start.WaitUnreadable)
		assert.Contains(t, api.claim(0).Verdict, "which is no peer id")
	})
	inBubble(t, "one of another's is no matter of a peer whose own is in order", func(t *testing.T) {
		api := newAPIServer(2)
		api.annotate(0, kube.AnnotationPeer, "5")
		api.annotate(1, kube.AnnotationPeer, garbage)
		p := newPod(t, 0, api, nobody(t))
		p.state(t, 5, 1, "5", uri("q-0"))
		p.starts(t)
		assert.Contains(t, p.log.String(), "which is no peer id")
		assert.NotContains(t, p.log.String(), "unchecked")
	})
}

// TestALongWaitAsksLess: a pod may wait for days.
func TestALongWaitAsksLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer(3)
		api.annotate(0, kube.AnnotationPeer, "1001")
		p := newPod(t, 2, api, nobody(t))
		p.options.Interval, p.options.APIWait, p.options.JoinWait = time.Second, time.Minute, time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- start.Run(ctx, p.options) }()
		asked := func(lasting time.Duration) (own, others int) {
			api.mu.Lock()
			api.reads = nil
			api.mu.Unlock()
			<-time.After(lasting) // of the bubble's clock
			synctest.Wait()
			api.mu.Lock()
			defer api.mu.Unlock()
			for _, ordinal := range api.reads {
				if ordinal == 2 {
					own++
				} else {
					others++
				}
			}
			return own, others
		}
		own, _ := asked(10 * time.Second)
		assert.InDelta(t, 10, own, 1, "at first each second")
		asked(10 * time.Minute)
		own, others := asked(10 * time.Minute)
		assert.InDelta(t, 60, own, 1, "then every ten seconds")
		assert.LessOrEqual(t, others, 4*20, "and the claims of others every thirty")
		// Something changes: then it is looked at closely again.
		api.annotate(2, kube.AnnotationPeer, "1003")
		asked(10 * time.Second)
		own, _ = asked(5 * time.Second)
		assert.InDelta(t, 5, own, 1)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) { return nil, errAway }

// TestNothingIsFoundedOnOldNews: what a wait has read of other claims a while ago ends no wait.
func TestNothingIsFoundedOnOldNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		api := newAPIServer(2)
		api.annotate(0, kube.AnnotationPeer, "1001")
		p := newPod(t, 0, api, nobody(t))
		p.options.Interval, p.options.Confirm = 20*time.Millisecond, 1
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- start.Run(ctx, p.options) }()
		eventually(t, "another verdict", func() bool { return api.verdict(0) == start.WaitEmptied })
		api.annotate(1, kube.AnnotationPeer, "1002")
		api.unmark(0)
		eventually(t, "another verdict", func() bool { return api.verdict(0) == start.WaitPeers })
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestSingle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPod(t, 0, newAPIServer(1), nobody(t))
		p.options.Single = true
		assert.Empty(t, p.starts(t))
	})
}

func TestForeignPod(t *testing.T) {
	t.Parallel()
	p := newPod(t, 0, newAPIServer(1), nobody(t))
	p.options.Pod = "other-0"
	require.ErrorContains(t, start.Run(t.Context(), p.options), "it is no pod of statefulset q")
}
