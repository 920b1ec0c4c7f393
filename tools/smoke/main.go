// Command smoke shows that a Qdrant works, to a person: it loads real word
// vectors, waits for the index, searches, filters, and prints what it did.
//
// It needs the gRPC and the REST address of one server, or of a service in
// front of a cluster. It leaves its collection there, to look at in the
// dashboard, and replaces it the next time. It exits with 0 if all answers were
// right, 1 with one line if one was not, 2 if it was called wrongly.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
	"github.com/qdrant-shepherd/shepherd/internal/workload"
)

// keyVariable holds the API key where no file is named. There is no flag for
// the key itself: everybody on the machine can read a command line.
const keyVariable = "API_KEY"

// wantRecall is what the graph has to reach; it finds nearly all neighbours in
// a set this small, so less means that something is wrong with it.
const wantRecall = 0.95

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// smoke holds the flags.
type smoke struct {
	target, rest, keyFile, collection string
	words                             int
	timeout                           time.Duration
	standIn                           bool

	out io.Writer
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s := smoke{out: stdout}
	flags := flag.NewFlagSet("smoke", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.target, "target", "127.0.0.1:6334", "gRPC `address` of the server, host:port")
	flags.StringVar(&s.rest, "rest", "http://127.0.0.1:6333", "REST `URL` of the server")
	flags.StringVar(&s.keyFile, "api-key-file", "", "`file` with the API key; without it $"+keyVariable+" is used, if set")
	flags.StringVar(&s.collection, "collection", "smoke", "`name` of the collection to make; one of that name is replaced")
	flags.IntVar(&s.words, "n", wordvectors.MaxFrequent, fmt.Sprintf("`number` of words to load, the most frequent ones, at most %d", wordvectors.MaxFrequent))
	flags.DurationVar(&s.timeout, "timeout", 5*time.Minute, "`time` after which to give up")
	flags.BoolVar(&s.standIn, "stand-in", false, "the server is client/qdranttest, which builds no index; say so")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		_, _ = fmt.Fprintf(stderr, "smoke: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	// The connection libraries' warnings would tear the lines apart; what
	// matters of them comes back as an error.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.run(ctx); err != nil {
		_, _ = fmt.Fprintf(stderr, "smoke: %s\n", oneLine(err))
		return 1
	}
	return 0
}

func (s smoke) run(ctx context.Context) error {
	key, err := s.key()
	if err != nil {
		return err
	}
	peers, err := s.describeServer(ctx, clusterapi.New(s.rest, key))
	if err != nil {
		return err
	}
	data, err := wordvectors.Frequent(s.words)
	if err != nil {
		return err
	}
	client, err := workload.Connect(s.target, key)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := s.load(ctx, client, data.Base, peers); err != nil {
		return err
	}
	if err := s.search(ctx, client, data); err != nil {
		return err
	}
	if err := s.showNearest(ctx, client, data.Base); err != nil {
		return err
	}
	s.say("done", "every answer was right; collection %s stays", s.collection)
	return nil
}

func (s smoke) key() (string, error) {
	if s.keyFile == "" {
		return os.Getenv(keyVariable), nil
	}
	key, err := os.ReadFile(s.keyFile)
	if err != nil {
		return "", fmt.Errorf("reading the API key: %w", err)
	}
	return strings.TrimSpace(string(key)), nil
}

// describeServer says what is there and returns the number of peers, 1 for a
// server that is no cluster.
func (s smoke) describeServer(ctx context.Context, client *clusterapi.Client) (int, error) {
	version, err := client.Version(ctx)
	if err != nil {
		return 0, err
	}
	cluster, err := client.Cluster(ctx)
	if err != nil {
		return 0, err
	}
	what := "Qdrant " + version
	if s.standIn {
		what = "a stand-in for Qdrant (client/qdranttest)"
	}
	if !cluster.Enabled {
		s.say("server", "%s at %s, a single node", what, s.target)
		return 1, nil
	}
	if !cluster.Consensus.Working() || cluster.Raft.Leader == 0 {
		return 0, fmt.Errorf("the cluster at %s has no working consensus: %+v", s.rest, cluster.Consensus)
	}
	s.say("server", "%s at %s, a cluster of %d peers", what, s.target, len(cluster.Peers))
	return len(cluster.Peers), nil
}

// load makes the collection, with two replicas of each shard where there are
// peers enough to lose one, and fills it.
func (s smoke) load(ctx context.Context, client *qdrant.Client, words wordvectors.Set, peers int) error {
	shards, replicas := uint32(1), uint32(1)
	if peers >= 3 {
		shards, replicas = uint32(peers), 2
	}
	if err := workload.Drop(ctx, client, s.collection); err != nil {
		return err
	}
	if err := workload.Create(ctx, client, workload.Words(s.collection, shards, replicas)); err != nil {
		return err
	}
	if err := workload.CreatePayloadIndexes(ctx, client, s.collection); err != nil {
		return err
	}
	s.say("collection", "%s: %s, %s each", s.collection, count(shards, "shard"), count(replicas, "replica"))
	loaded, err := workload.Load(ctx, client, s.collection, words)
	if err != nil {
		return err
	}
	s.say("written", "%d English words, vectors of %d dimensions, in %s (%.0f a second), all acknowledged and counted",
		loaded.Points, wordvectors.Dim, short(loaded.Duration), loaded.PerSecond())
	if s.standIn {
		return nil // it looks at every vector
	}
	indexed, err := workload.Index(ctx, client, s.collection)
	if err != nil {
		return err
	}
	s.say("indexed", "%d vectors in the HNSW graph after %s", indexed.Vectors, short(indexed.Duration))
	return nil
}

func (s smoke) search(ctx context.Context, client *qdrant.Client, data wordvectors.Data) error {
	queries := data.Queries.Vectors[:200]
	recall, err := workload.MeasureRecall(ctx, client, s.collection, data.Base, queries, workload.Search{EF: 128})
	if err != nil {
		return err
	}
	s.say("searched", "%d times: %.1f %% of the true %d nearest found, median %s, p95 %s",
		recall.Searches, 100*recall.Value, recall.K, short(recall.Median), short(recall.P95))
	if recall.Value < wantRecall {
		return fmt.Errorf("the recall is %.3f, it should be at least %.2f", recall.Value, wantRecall)
	}
	filtered, err := workload.CheckFilters(ctx, client, s.collection, data.Base, queries[:5])
	if err != nil {
		return err
	}
	s.say("filtered", "%d filters, %d searches, each answer checked against the words themselves", filtered.Filters, filtered.Searches)
	changed, err := workload.CheckChanges(ctx, client, s.collection, data.Base)
	if err != nil {
		return err
	}
	s.say("changed", "%d payloads, %d vectors; %d words deleted by a filter; all read back and restored", changed.Payloads, changed.Vectors, changed.Deleted)
	return nil
}

// showNearest prints a small table of words and their neighbours.
func (s smoke) showNearest(ctx context.Context, client *qdrant.Client, words wordvectors.Set) error {
	const width, neighbours = 18, 4
	if !slices.Contains(words.Words, "king") {
		return nil // too few words mean nothing to a reader
	}
	rows := []struct {
		word, letter string
	}{{"king", ""}, {"coffee", ""}, {"germany", ""}, {"music", ""}, {"science", ""}, {"music", "p"}}
	_, _ = fmt.Fprintf(s.out, "\n  %-*s%s\n", width, "nearest to", "are")
	for _, row := range rows {
		place := slices.Index(words.Words, row.word)
		if place < 0 {
			continue // fewer words were loaded
		}
		title, filter := row.word, (*qdrant.Filter)(nil)
		if row.letter != "" {
			title, filter = fmt.Sprintf("%s, only %s…", row.word, row.letter), workload.FirstLetter(row.letter)
		}
		// The nearest is the word itself, unless the filter leaves it out.
		found, err := workload.NearestWords(ctx, client, s.collection, words.Vectors[place], filter, workload.Search{K: neighbours + 1, EF: 128})
		if err != nil {
			return err
		}
		found = slices.DeleteFunc(found, func(w workload.Word) bool { return w.Text == row.word })
		var cells strings.Builder
		for _, w := range found[:min(neighbours, len(found))] {
			fmt.Fprintf(&cells, "%-*s", width, fmt.Sprintf("%s %.2f", w.Text, w.Score))
		}
		_, _ = fmt.Fprintf(s.out, "  %-*s%s\n", width, title, strings.TrimRight(cells.String(), " "))
	}
	_, _ = fmt.Fprintln(s.out)
	return nil
}

func (s smoke) say(what, format string, values ...any) {
	_, _ = fmt.Fprintf(s.out, "  %-12s%s\n", what, fmt.Sprintf(format, values...))
}

func count(n uint32, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// oneLine folds the lines of an error, of which servers send several.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
