package tend

import (
	"slices"
	"strconv"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
)

// ParseLosses reads the list of shards whose loss is accepted, lines of COLLECTION/SHARD; unread are the lines that are none.
func ParseLosses(text string) (shards map[plan.ShardName]bool, unread []string) {
	shards = map[plan.ShardName]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		shard, ok := ParseShard(line)
		if !ok {
			unread = append(unread, line)
			continue
		}
		shards[shard] = true
	}
	return shards, unread
}

// ParseShard reads COLLECTION/SHARD. A collection's name may have a slash in it.
func ParseShard(text string) (plan.ShardName, bool) {
	slash := strings.LastIndexByte(text, '/')
	if slash <= 0 {
		return plan.ShardName{}, false
	}
	id, err := strconv.ParseUint(text[slash+1:], 10, 32)
	if err != nil {
		return plan.ShardName{}, false
	}
	return plan.ShardName{Collection: text[:slash], Shard: clusterapi.ShardID(id)}, true
}

func shardNames(shards map[plan.ShardName]bool) []string {
	names := make([]string, 0, len(shards))
	for shard := range shards {
		names = append(names, shard.String())
	}
	slices.Sort(names)
	return names
}

// withoutLosses takes shards off the list and leaves every other line as it is.
func withoutLosses(text string, done map[plan.ShardName]bool) string {
	left := &strings.Builder{}
	for line := range strings.Lines(text) {
		if shard, ok := ParseShard(strings.TrimSpace(line)); ok && done[shard] {
			continue
		}
		left.WriteString(line)
	}
	return left.String()
}
