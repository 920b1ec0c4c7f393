package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/client/vectorflags"
)

// query has the flags of the sub-command.
type query struct {
	vector, like, vectorName, filter, output string
	limit, offset, ef                        int
	exact, withVectors, noPayload            bool
	threshold                                float64
	payload                                  []string
	flags                                    *commandline.Set
}

func queryCommand(p Process) *cobra.Command {
	q := &query{}
	use := "query COLLECTION"
	cmd := command(p, use, "Search a collection", commandline.Arguments(1, 1), q.define, q.run)
	cmd.Long = "Search a collection for what is nearest to --vector, to the point --like, or to a vector on standard input.\n\n" +
		"A filter is JSON as in Qdrant's REST API, or the short form\n\n" +
		"  lang = en and year >= 2020 and not (tags in [draft, old] or title ~ \"two words\")"
	return cmd
}

func (q *query) define(f *commandline.Set, c *vectorflags.Connection) {
	q.flags = f
	c.DefineProfile(f, "number of candidates without --ef: development (256) or production (512, the default)")
	f.StringVar(&q.vector, "vector", "", "vector to search for, as JSON: '[0.1, 0.2, …]'; without --vector and --like, it is read from standard input")
	f.StringVar(&q.like, "like", "", "ID of a point; search for its nearest neighbors")
	f.StringVar(&q.vectorName, "vector-name", "", "name of the vector in the collection; by default the unnamed or the only vector")
	f.StringVar(&q.filter, "filter", "", "what hits must match")
	f.IntVar(&q.limit, "limit", 10, "number of hits")
	f.IntVar(&q.offset, "offset", 0, "number of hits to skip")
	f.IntVar(&q.ef, "ef", 0, "number of candidates of the search (hnsw_ef); 0 uses the profile")
	f.BoolVar(&q.exact, "exact", false, "compare all vectors, without the index")
	f.Float64Var(&q.threshold, "threshold", 0, "leave out hits with a worse score")
	f.StringSliceVar(&q.payload, "payload", nil, "payload fields to show, separated by commas; by default all")
	f.BoolVar(&q.noPayload, "no-payload", false, "show no payload")
	f.BoolVar(&q.withVectors, "with-vectors", false, "show the vectors of the hits")
	f.StringVar(&q.output, "output", "table", "table or json")
}

func (q *query) run(ctx context.Context, s *settings, args []string) (err error) {
	if _, err := commandline.OneOf("output", q.output, commandline.Word("table", true), commandline.Word("json", true)); err != nil {
		return err
	}
	options, err := q.options()
	if err != nil {
		return err
	}
	nearest, err := q.nearest(ctx, s.process)
	if err != nil {
		return err
	}
	db, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := vector.Open[document](ctx, db, args[0], vector.ReadOnly())
	if err != nil {
		return err
	}
	using, err := q.using(ctx, c)
	if err != nil {
		return err
	}
	hits, err := c.Search(ctx, nearest, append(options, using...)...)
	if err != nil {
		return err
	}
	if q.output == "json" {
		return writeHits(s.process.Out, hits)
	}
	return q.table(s.process.Out, hits)
}

// nearest is what is searched for.
func (q *query) nearest(ctx context.Context, p Process) (vector.Query, error) {
	if q.like != "" {
		if q.vector != "" {
			return nil, commandline.Usage("--vector and --like contradict each other")
		}
		id, err := vector.ParseID(q.like)
		if err != nil {
			return nil, commandline.Usage("--like: %w", err)
		}
		return vector.NearestID(id), nil
	}
	where, text := "--vector", q.vector
	if text == "" {
		where = "standard input"
		if !p.InTerminal {
			content, err := readAll(ctx, p.In)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", where, err)
			}
			text = strings.TrimSpace(string(content))
		}
		if text == "" {
			return nil, commandline.Usage("say what to search for: --vector '[…]', --like ID, or a vector on standard input")
		}
	}
	var numbers []*float64 // pointers tell null from 0
	if err := json.Unmarshal([]byte(text), &numbers); err != nil {
		return nil, commandline.Usage("%s is no list of numbers: %w", where, err)
	}
	v := make([]float32, len(numbers))
	for i, x := range numbers {
		if x == nil || math.Abs(*x) > math.MaxFloat32 {
			return nil, commandline.Usage("%s: number %d is none that a vector can have", where, i)
		}
		v[i] = float32(*x)
	}
	if len(v) == 0 {
		return nil, commandline.Usage("%s is empty", where)
	}
	return vector.Nearest(v), nil
}

// readAll reads a vector's text, or until ctx is over. The reader then may still be read from, by a goroutine that ends with it.
func readAll(ctx context.Context, in io.Reader) ([]byte, error) {
	var content []byte
	var err error
	read := make(chan struct{})
	go func() {
		defer close(read)
		content, err = io.ReadAll(io.LimitReader(in, 8<<20)) // 65,536 dimensions take about 1 MB
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-read:
		return content, err
	}
}

func (q *query) options() ([]vector.Option, error) {
	if q.limit < 1 || q.offset < 0 || q.ef < 0 {
		return nil, commandline.Usage("--limit must be positive, and --offset and --ef must not be negative")
	}
	options := []vector.Option{vector.Limit(q.limit), vector.Offset(q.offset)}
	if q.filter != "" {
		filter, err := parseFilter(q.filter)
		if err != nil {
			return nil, commandline.Usage("--filter: %w", err)
		}
		options = append(options, filter)
	}
	if q.ef > 0 {
		options = append(options, vector.EF(q.ef))
	}
	if q.exact {
		options = append(options, vector.Exact())
	}
	if len(q.flags.Given("threshold")) > 0 {
		options = append(options, vector.Threshold(float32(q.threshold)))
	}
	switch {
	case q.noPayload && len(q.payload) > 0:
		return nil, commandline.Usage("--payload and --no-payload contradict each other")
	case q.noPayload:
		options = append(options, vector.WithoutPayload())
	case len(q.payload) > 0:
		options = append(options, vector.WithPayload(q.payload...))
	}
	if q.withVectors {
		options = append(options, vector.WithVectors())
	}
	return options, nil
}

// using names the vector, where the collection has a single one that is not unnamed.
func (q *query) using(ctx context.Context, c *vector.Collection[document]) ([]vector.Option, error) {
	if q.vectorName != "" {
		return []vector.Option{vector.Using(q.vectorName)}, nil
	}
	info, err := c.Info(ctx)
	if err != nil {
		return nil, err
	}
	vectors := denseVectors(info.Raw)
	if _, unnamed := vectors[""]; unnamed || len(vectors) == 0 {
		return nil, nil
	}
	if len(vectors) > 1 {
		return nil, commandline.Usage("collection %s has no unnamed vector: name one of %s with --vector-name", c.Name(), quoted(vectors))
	}
	return []vector.Option{vector.Using(slices.Collect(maps.Keys(vectors))[0])}, nil
}

// hitJSON is a hit as JSON has it.
type hitJSON struct {
	ID      vector.ID      `json:"id"`
	Score   float32        `json:"score"`
	Payload map[string]any `json:"payload,omitempty"`
	Vector  any            `json:"vector,omitempty"`
	Vectors map[string]any `json:"vectors,omitempty"`
}

func writeHits(out io.Writer, hits []vector.Hit[document]) error {
	list := make([]hitJSON, len(hits))
	for i, hit := range hits {
		vectors := maps.Clone(hit.Document.Vectors)
		list[i] = hitJSON{ID: hit.ID, Score: hit.Score, Payload: hit.Document.Payload, Vector: vectors[""]}
		delete(vectors, "")
		list[i].Vectors = vectors
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(list)
}

func (q *query) table(out io.Writer, hits []vector.Hit[document]) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := "SCORE\tID"
	if !q.noPayload {
		head += "\tPAYLOAD"
	}
	if q.withVectors {
		head += "\tVECTORS"
	}
	_, _ = fmt.Fprintln(w, head)
	for _, hit := range hits {
		line := fmt.Sprintf("%.6g\t%s", hit.Score, hit.ID)
		if !q.noPayload {
			line += "\t" + cell(hit.Document.Payload)
		}
		if q.withVectors {
			line += "\t" + cell(hit.Document.Vectors)
		}
		_, _ = fmt.Fprintln(w, line)
	}
	return w.Flush()
}

// cell is JSON on one line, cut where it is long.
func cell(values map[string]any) string {
	if len(values) == 0 {
		return ""
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(values); err != nil {
		return err.Error()
	}
	const most = 160
	text := []rune(strings.TrimSpace(b.String()))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
