package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// checkPause is between two looks at a cluster that is not yet as it should be.
const checkPause = 2 * time.Second

func checkCommand(b builder) *cobra.Command {
	define := func(f *flags) {
		s := f.settings
		f.cluster()
		f.IntVar(&s.replicas, "replicas", -1, "minimum number of peers")
		f.StringVar(&s.service, "service", "", "host name of the Service for clients, to check it too")
		f.BoolVar(&s.clustered, "cluster", true, "the servers run as a cluster")
		f.duration(&s.timeout, "timeout", time.Minute, "how long to wait for the cluster to pass")
	}
	return b.command("check", "Check that the peers form one whole cluster that works and requires the API key", commandline.Arguments(0, 0), define, runCheck)
}

// finding is one line of a check.
type finding struct {
	ok   bool
	text string
}

func (f finding) String() string {
	if f.ok {
		return "ok: " + f.text
	}
	return "FAIL: " + f.text
}

func runCheck(ctx context.Context, s *settings, _ []string) error {
	if s.replicas < 0 {
		return commandline.Usage("say how many peers there must be: %s or --replicas N", variable("replicas"))
	}
	peers, err := s.peers("")
	if err != nil {
		return err
	}
	var all []finding
	say := func(findings ...finding) error {
		for _, f := range findings {
			if _, err := fmt.Fprintln(s.process.Out, f); err != nil {
				return err
			}
		}
		all = append(all, findings...)
		return nil
	}
	if s.clustered {
		if err := say(s.judgeCluster(ctx, peers)...); err != nil {
			return err
		}
	}
	host := s.service
	if host == "" {
		host = s.names().Pod(0) + "." + s.domain
	}
	if err := say(probe(ctx, peers, host)...); err != nil {
		return err
	}
	for _, f := range all {
		if !f.ok {
			return commandline.ErrReported
		}
	}
	return nil
}

// judgeCluster looks until all is well or the time is over: a leader may just be elected, a shard just be moved.
func (s *settings) judgeCluster(ctx context.Context, peers *peers) []finding {
	deadline := time.Now().Add(s.timeout)
	for {
		findings := judge(s.replicas, s.names().Pod, s.observe(ctx, peers))
		well := true
		for _, f := range findings {
			well = well && f.ok
		}
		if well || time.Now().Add(checkPause).After(deadline) {
			return findings
		}
		select {
		case <-ctx.Done():
			return findings
		case <-time.After(checkPause):
		}
	}
}

// observe asks the peers that there must be, and then those that they name beyond.
func (s *settings) observe(ctx context.Context, peers *peers) topology.Picture {
	names := s.names()
	var targets []topology.Target
	for ordinal := range s.replicas {
		targets = append(targets, topology.Target{Pod: names.Pod(ordinal), Ordinal: ordinal, Reader: peers.client(names.Pod(ordinal))})
	}
	picture, _ := topology.Observe(ctx, targets, askTimeout)
	asked := len(targets)
	for _, m := range picture.Members {
		if ordinal := names.Ordinal(m.Pod); ordinal >= s.replicas && m.Pod == names.Pod(ordinal) {
			targets = append(targets, topology.Target{Pod: m.Pod, Ordinal: ordinal, Reader: peers.client(m.Pod)})
		}
	}
	if len(targets) > asked {
		picture, _ = topology.Observe(ctx, targets, askTimeout)
	}
	return picture
}

// judge says of each peer whether it is as it should be, and of the cluster.
func judge(replicas int, pod func(int) string, p topology.Picture) []finding {
	var findings []finding
	fail := func(format string, args ...any) {
		findings = append(findings, finding{false, fmt.Sprintf(format, args...)})
	}
	silent := map[string]bool{}
	for _, s := range p.Silent {
		silent[s.Pod] = true
		fail("%s does not answer: %s", s.Pod, s.Err)
	}
	for ordinal := range replicas {
		if len(p.ByPod(pod(ordinal))) == 0 && !silent[pod(ordinal)] {
			fail("%s is no member of the cluster", pod(ordinal))
		}
	}
	var first *topology.Member
	for i, m := range p.Members {
		switch {
		case !p.Joined(m.ID):
			fail("%s answers, and the other peers do not know it", m)
		case !m.Answers:
			if !silent[m.Pod] {
				fail("%s is a member and does not answer", m)
			}
		case !m.Working:
			fail("the consensus of %s has stopped", m)
		case m.Raft.Leader == 0:
			fail("%s follows no leader", m)
		case first != nil && (m.Raft.Leader != first.Raft.Leader || m.Raft.Term != first.Raft.Term):
			fail("%s follows %s in term %d, and %s follows %s in term %d", m, p.Name(m.Raft.Leader), m.Raft.Term, first, p.Name(first.Raft.Leader), first.Raft.Term)
		default:
			if first == nil {
				first = &p.Members[i]
			}
			findings = append(findings, finding{true, fmt.Sprintf("%s is one of %d peers and follows %s", m, len(p.Members), p.Name(m.Raft.Leader))})
		}
	}
	if why := p.Unsupported(); why != "" {
		fail("%s", why)
	}
	whole, reasons := p.Whole()
	if whole && first != nil {
		shards := 0
		for _, c := range p.Collections {
			shards += len(c.Shards)
		}
		findings = append(findings, finding{true, fmt.Sprintf("%d shards of %d collections are whole", shards, len(p.Collections))})
	}
	for _, reason := range reasons {
		fail("%s", reason)
	}
	return findings
}
