package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/internal/vectorfile"
	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/client/vectorflags"
)

// document is a point of any collection: it has no vector of its own in the schema, so that every name, size and distance fits. (A
// vector.Point asks for an unnamed vector that is compared by cosine.)
type document struct {
	ID      vector.ID      `vector:",id"`
	Vectors map[string]any `vector:",vectors"`
	Payload map[string]any `vector:",payload"`
}

// load has the flags of the sub-command.
type load struct {
	target    target
	file      vectorfile.Options
	format    string
	noPayload bool

	streams, maxStreams, batchBytes         int
	allowDuplicates, restart, changed, wait bool
	deferIndex, progressFile                string
	output                                  string
}

// mostBatchBytes is what vector.LoadOptions takes.
const mostBatchBytes = 32 << 20

func loadCommand(p Process) *cobra.Command {
	l := &load{}
	use := "load FILE --collection NAME"
	cmd := command(p, use, "Load a file of vectors (fbin, npy, jsonl, parquet) into a collection", commandline.Arguments(1, 1), l.define, l.run)
	cmd.Long = "Load a file of vectors into a collection, which is created if it is not there.\n\n" +
		"A load that is stopped or fails keeps how far it came beside the file; the same command continues from there, with --continue also\n" +
		"where FILE has been repaired meanwhile. Rows of fbin and npy have their number as id; jsonl and parquet have a column of ids and one of vectors,\n" +
		"and all others become payload."
	return cmd
}

func (l *load) define(f *commandline.Set, c *vectorflags.Connection) {
	l.target.define(f)
	c.DefineProfile(f, "HNSW index of a new collection: development (m 48, ef_construct 512) or production (64, 1024); by default the configuration of the server")

	f.StringVar(&l.format, "format", "", "fbin, npy, jsonl or parquet; by default from the file name")
	f.StringVar(&l.file.IDColumn, "id-column", "id", "jsonl, parquet: column of the IDs")
	f.StringVar(&l.file.VectorColumn, "vector-column", "vector", "jsonl, parquet: column of the vectors")
	f.StringSliceVar(&l.file.Payload, "payload", nil, "jsonl, parquet: columns to load as payload, separated by commas; by default all other columns")
	f.BoolVar(&l.noPayload, "no-payload", false, "jsonl, parquet: load no payload")
	f.BoolVar(&l.file.Number, "number", false, "jsonl, parquet: number the rows instead of reading IDs")
	f.Uint64Var(&l.file.FirstID, "first-id", 0, "ID of the first row, if rows are numbered")
	f.BoolVar(&l.file.NameIDs, "name-ids", false, "turn an ID that is neither a number nor a UUID into a UUID, and keep its text in the payload")

	f.IntVar(&l.streams, "streams", 0, "number of concurrent requests at the start; 0 means two for each peer, or one with --allow-duplicates")
	f.IntVar(&l.maxStreams, "max-streams", 0, "maximum number of concurrent requests; 0 means --streams")
	f.IntVar(&l.batchBytes, "batch-bytes", 0, "size of a request, at most 32 MiB; 0 means 512 KiB")
	f.BoolVar(&l.allowDuplicates, "allow-duplicates", false, "let a row replace an earlier row with the same ID; the order is certain only with one stream (see --streams, --max-streams)")
	f.StringVar(&l.deferIndex, "defer-index", "auto", "delay indexing until everything is loaded: never, auto (if the collection is empty) or always")
	f.BoolVar(&l.wait, "wait", false, "wait until the index is built")
	f.BoolVar(&l.restart, "restart", false, "start at the first row, even if an earlier load stopped later")
	f.BoolVar(&l.changed, "continue", false, "continue after the loaded rows although FILE has changed, for example because a bad row was repaired")
	f.StringVar(&l.progressFile, "progress-file", "", "file for the progress of the load; by default beside FILE")
	f.StringVar(&l.output, "output", "text", "text or json, of the summary")
}

func (l *load) run(ctx context.Context, s *settings, args []string) (err error) {
	options, err := l.check(s)
	if err != nil {
		return err
	}
	file, err := vectorfile.Open(args[0], l.file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if file.Dimension() == 0 {
		return fmt.Errorf("loading %s: it has no rows", args[0])
	}
	record, err := l.record(s, args[0], file)
	if err != nil {
		return err
	}
	if options.Skip, err = record.resume(l.restart, l.changed); err != nil {
		return err
	}
	db, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	collection, created, err := l.target.open(ctx, s, db, file.Dimension())
	if err != nil {
		return err
	}
	if options.Skip > 0 {
		lost := "was not there any more"
		if !created {
			if lost, err = lostRows(ctx, db, collection, file, options.Skip); err != nil {
				return err
			}
		}
		if lost != "" {
			s.note("collection %s %s: beginning at the first row", l.target.collection, lost)
			options.Skip = 0
		}
	}
	return l.load(ctx, s, collection, file, record, options)
}

// check is about flags that contradict themselves or each other.
func (l *load) check(s *settings) (o vector.LoadOptions, err error) {
	if _, err := commandline.OneOf("output", l.output, commandline.Word("text", true), commandline.Word("json", true)); err != nil {
		return o, err
	}
	if l.format != "" {
		l.file.Format = vectorfile.Format(l.format)
		if !slices.Contains(vectorfile.Formats(), l.file.Format) {
			return o, commandline.Usage("--format: %q is not one of fbin, npy, jsonl, parquet", l.format)
		}
	}
	if l.noPayload {
		if len(l.file.Payload) > 0 {
			return o, commandline.Usage("--payload and --no-payload contradict each other")
		}
		l.file.Payload = []string{}
	}
	if _, err := s.connection.Config(s.process.Env, s.process.Err); err != nil {
		return o, err
	}
	if err := l.target.check(s.connection.Profile); err != nil {
		return o, err
	}
	o = vector.LoadOptions{BatchBytes: l.batchBytes, Streams: l.streams, MaxStreams: l.maxStreams, AllowDuplicates: l.allowDuplicates}
	if l.streams < 0 || l.maxStreams < 0 || l.batchBytes < 0 {
		return o, commandline.Usage("--streams, --max-streams and --batch-bytes must not be negative")
	}
	if l.batchBytes > mostBatchBytes {
		return o, commandline.Usage("--batch-bytes: %d is more than %d", l.batchBytes, mostBatchBytes)
	}
	if l.allowDuplicates && l.streams == 0 {
		o.Streams = 1 // several may change the order
	}
	if l.restart && l.changed {
		return o, commandline.Usage("--restart and --continue contradict each other")
	}
	o.DeferIndexing, err = commandline.OneOf("defer-index", l.deferIndex,
		commandline.Word("auto", vector.DeferAuto), commandline.Word("never", vector.DeferNever), commandline.Word("always", vector.DeferAlways))
	return o, err
}

// record is where it is kept how far the load came.
func (l *load) record(s *settings, path string, file *vectorfile.File) (*record, error) {
	payload := "all"
	if l.file.Payload != nil {
		payload = strings.Join(l.file.Payload, ",")
	}
	reading := map[string]string{
		"format": string(file.Format()), "id column": l.file.IDColumn, "vector column": l.file.VectorColumn, "payload": payload,
		"numbered": fmt.Sprint(l.file.Number), "first id": fmt.Sprint(l.file.FirstID), "names as ids": fmt.Sprint(l.file.NameIDs),
		"vector name": l.target.vectorName,
	}
	where := l.progressFile
	if where == "" {
		where = fmt.Sprintf("%s.%s.progress", path, strings.ReplaceAll(l.target.collection, string(filepath.Separator), "_"))
	}
	return newRecord(where, path, s.connection.Target, l.target.collection, reading)
}

func (l *load) load(ctx context.Context, s *settings, c *vector.Collection[document], file *vectorfile.File, record *record, o vector.LoadOptions) error {
	source := &source{file: file, vectorName: l.target.vectorName, skip: o.Skip}
	if o.Skip > 0 {
		s.note("continuing at row %s", count(int64(o.Skip)))
	}
	show := newReporter(s.process.Err, s.process.Terminal, filepath.Base(record.file), o.Skip, source.total)
	if err := record.save(o.Skip); err != nil {
		s.note("vector: %v; a load that stops will have to start over", err)
		record = nil
	}
	o.Progress = func(stats vector.LoadStats) {
		show.update(stats)
		record.note(stats.Acknowledged)
	}
	stats, err := c.Load(ctx, source.documents(), o)
	show.close(err == nil)
	if err != nil {
		return l.stopped(ctx, err, record)
	}
	removed := record.remove()
	if l.wait {
		s.note("waiting until the index of collection %s is built", l.target.collection)
		if _, err := c.AwaitIndexed(ctx); err != nil {
			return errors.Join(err, removed)
		}
	}
	return errors.Join(l.summary(ctx, s, c, o.Skip, stats), removed)
}

// stopped tells how far the load came, and how to go on.
func (l *load) stopped(ctx context.Context, err error, record *record) error {
	failed, is := errors.AsType[*vector.LoadError](err)
	if !is {
		return err
	}
	acknowledged, why := failed.Stats.Acknowledged, cause(ctx, failed.Err)
	same, instead := "the same command", ""
	if l.restart {
		same, instead = "the same command without --restart", " instead of --restart"
	}
	if errors.As(err, new(*vector.CountError)) {
		// What is missing may be any row, so that none can be skipped.
		again := "the same command loads everything again"
		if removeErr := record.remove(); removeErr != nil {
			again = "with --restart " + again
		}
		return fmt.Errorf("loading into collection %s: %w: %s", l.target.collection, why, again)
	}
	next := same + " continues there"
	if !l.restart {
		next += ", with --restart it starts over"
	}
	if errors.As(err, new(*vectorfile.RowError)) || errors.As(err, new(*vector.DocumentError)) {
		next = "repair the file, and the same command with --continue" + instead + " continues there"
	}
	if saveErr := record.save(acknowledged); record == nil || saveErr != nil {
		next = "how far it came is not kept: the next load starts over"
	}
	if failed.Stats.Phase == vector.LoadUploading {
		return fmt.Errorf("loading into collection %s: %w; %s rows are loaded: %s", l.target.collection, why, count(int64(acknowledged)), next)
	}
	return fmt.Errorf("loading into collection %s: %w; all %s rows are sent, and it is not known whether searches find them: %s waits for that again",
		l.target.collection, why, count(int64(acknowledged)), same)
}

// cause is why a load ended. Of one that was told to stop it is what went wrong besides, such as putting indexing back.
func cause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if besides := besidesStopping(ctx, err); besides != nil {
		return fmt.Errorf("stopped: %w", besides)
	}
	return errors.New("stopped")
}

func besidesStopping(ctx context.Context, err error) error {
	if several, is := err.(interface{ Unwrap() []error }); is { //nolint:errorlint // what is inside of each is not of interest
		var list []error
		for _, one := range several.Unwrap() {
			list = append(list, besidesStopping(ctx, one))
		}
		return errors.Join(list...)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

// loaded is the summary as JSON has it.
type loaded struct {
	Collection string  `json:"collection"`
	Rows       int     `json:"rows"`
	Earlier    int     `json:"earlier"`
	Points     uint64  `json:"points"`
	Indexed    uint64  `json:"indexed_vectors"`
	Bytes      int64   `json:"bytes"`
	Batches    int     `json:"batches"`
	Rejected   int     `json:"rejected"`
	Streams    int     `json:"streams"`
	Deferred   bool    `json:"indexing_deferred"`
	Upload     float64 `json:"upload_seconds"`
	Apply      float64 `json:"apply_seconds"`
	Rate       float64 `json:"rows_per_second"`
}

func (l *load) summary(ctx context.Context, s *settings, c *vector.Collection[document], earlier int, stats vector.LoadStats) error {
	info, err := c.Info(ctx)
	if err != nil {
		return err
	}
	if l.output == "json" {
		return json.NewEncoder(s.process.Out).Encode(loaded{
			Collection: c.Name(), Rows: stats.Documents, Earlier: earlier, Points: stats.Points, Indexed: info.Indexed, Bytes: stats.Bytes,
			Batches: stats.Batches, Rejected: stats.Rejected, Streams: stats.Streams, Deferred: stats.Deferred,
			Upload: stats.Upload.Seconds(), Apply: stats.Apply.Seconds(), Rate: stats.Rate(),
		})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "loaded %s rows in %s (%s rows/s), applied in %s\n", count(int64(stats.Documents)), short(stats.Upload), count(int64(stats.Rate())), short(stats.Apply))
	if earlier > 0 {
		fmt.Fprintf(&b, "%s rows were loaded earlier\n", count(int64(earlier)))
	}
	if stats.Rejected > 0 {
		fmt.Fprintf(&b, "the server rejected %s requests, which were sent again; %d streams at last\n", count(int64(stats.Rejected)), stats.Streams)
	}
	fmt.Fprintf(&b, "collection %s has %s points, %s vectors are indexed so far\n", c.Name(), count(int64(stats.Points)), count(int64(info.Indexed)))
	_, err = s.process.Out.Write([]byte(b.String()))
	return err
}

// source is a file as documents.
type source struct {
	file       *vectorfile.File
	vectorName string
	skip       int
	read       atomic.Int64
}

// documents are all rows from the first one on, since a Load counts, and looks for duplicates, from there. Of rows that are numbered and are
// to be skipped, only the ids are needed, which is cheap.
func (s *source) documents() iter.Seq2[document, error] {
	return func(yield func(document, error) bool) {
		if first, numbered := s.file.NumberedFrom(); numbered && s.skip > 0 {
			if err := s.file.Skip(int64(s.skip)); err != nil {
				yield(document{}, err)
				return
			}
			for i := range s.skip {
				if !yield(document{ID: vector.Num(first + uint64(i))}, nil) {
					return
				}
			}
			s.read.Add(int64(s.skip))
		}
		for row, err := range s.file.Rows() {
			if err != nil {
				yield(document{}, err)
				return
			}
			s.read.Add(1)
			// A map for each document: the load's encoder may look at it only until the next one, but the price is small beside the rest.
			if !yield(document{ID: row.ID, Vectors: map[string]any{s.vectorName: row.Vector}, Payload: row.Payload}, nil) {
				return
			}
		}
	}
}

// total is the number of rows, estimated by the share of the file that has been read where only its end tells; 0 if nothing is known yet.
func (s *source) total() int64 {
	if n := s.file.Len(); n >= 0 {
		return n
	}
	if share := s.file.Share(); share > 0 {
		return int64(float64(s.read.Load()) / min(share, 1))
	}
	return 0
}

func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
