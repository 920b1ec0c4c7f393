package command

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

func acceptLossCommand(b builder) *cobra.Command {
	define := func(f *flags) {
		f.looking()
		f.BoolVar(&f.settings.yes, "yes", false, "do not ask for confirmation")
	}
	some := func(cmd *cobra.Command, args []string) error {
		if err := cobra.MinimumNArgs(1)(cmd, args); err != nil {
			return commandline.Usage("name the shards: COLLECTION/SHARD…")
		}
		return nil
	}
	return b.command("accept-loss COLLECTION/SHARD…", "Give up shards that have no good replica, so that recovery can continue", some, define, runAcceptLoss)
}

func runAcceptLoss(ctx context.Context, s *settings, args []string) error {
	var shards []plan.ShardName
	for _, arg := range args {
		shard, ok := tend.ParseShard(arg)
		if !ok {
			return commandline.Usage("%q is no COLLECTION/SHARD, such as words/3", arg)
		}
		shards = append(shards, shard)
	}
	seen, err := s.look(ctx)
	if err != nil {
		return err
	}
	var given []string
	for _, name := range shards {
		line, err := loss(seen.picture, name)
		if err != nil {
			return err
		}
		given = append(given, line)
	}
	out := &strings.Builder{}
	fmt.Fprintln(out, "These shards will be given up. Their points are gone for good; each begins again, empty:")
	for _, line := range given {
		fmt.Fprintln(out, " ", line)
	}
	if !s.replaceLostVolumes {
		fmt.Fprintln(out, "Peers that lost their volume are replaced only with recovery.replaceLostVolumes, which is off; until it is on, nothing will be done.")
	}
	if !s.yes {
		fmt.Fprint(out, "Type yes to go on: ")
	}
	if _, err := fmt.Fprint(s.process.Out, out.String()); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	if !s.yes && !confirmed(s) {
		_, _ = fmt.Fprintln(s.process.Out, "\nNot accepted; nothing was changed.")
		return commandline.ErrReported
	}
	err = seen.client.UpdateState(ctx, func(data map[string]string) { data[tend.KeyAcceptLoss] = addLosses(data[tend.KeyAcceptLoss], shards) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.process.Out, "Accepted. `shepherd status` shows how recovery goes on.")
	return err
}

func confirmed(s *settings) bool {
	answer, _ := bufio.NewReader(s.process.In).ReadString('\n') // the end of the input is an answer too: no
	return strings.TrimSpace(answer) == "yes"
}

// loss says what giving up the shard means. It is refused where there is nothing to give up, or where nobody can tell.
func loss(p topology.Picture, name plan.ShardName) (string, error) {
	if ok, why := p.Quorum(); !ok {
		return "", fmt.Errorf("looking at shard %s: %s; a majority must answer before anything can be given up", name, why)
	}
	shard, known := p.Shard(name.Collection, name.Shard)
	if !known {
		return "", fmt.Errorf("looking at shard %s: no peer knows it", name)
	}
	if p.WholeWithout(shard) {
		return "", fmt.Errorf("looking at shard %s: a peer that answers has an Active copy, so nothing is lost", name)
	}
	var copies []string
	for _, r := range shard.Replicas {
		where := p.Name(r.Peer)
		if member, _ := p.Member(r.Peer); !member.Answers {
			copies = append(copies, fmt.Sprintf("%s, which does not answer", where))
		} else {
			copies = append(copies, fmt.Sprintf("%s, which answers and has %d points in state %s", where, max(0, r.Points), r.State))
		}
	}
	if len(copies) == 0 {
		return "", fmt.Errorf("looking at shard %s: no peer has a replica of it, so there is none to go on with; only the collection as a whole can be deleted or restored", name)
	}
	return name.String() + ": its copies are on " + strings.Join(copies, "; and on "), nil
}

// addLosses adds shards to the list, and leaves what is there as it is.
func addLosses(list string, shards []plan.ShardName) string {
	listed, _ := tend.ParseLosses(list)
	if list != "" && !strings.HasSuffix(list, "\n") {
		list += "\n"
	}
	for _, shard := range shards {
		if !listed[shard] {
			list += shard.String() + "\n"
			listed[shard] = true
		}
	}
	return list
}
