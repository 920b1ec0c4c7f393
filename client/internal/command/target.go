package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// target is the collection that is loaded, and how it is created.
type target struct {
	collection, vectorName        string
	distance, quantization        string
	shards, replicas, consistency int
	m, efConstruct                int
	onDisk, mustExist             bool
	indexes                       []string
	compare                       qdrant.Distance
	graph                         [2]int
	fields                        []*qdrant.CreateFieldIndexCollection
}

// creating are the flags that count only when the collection is created, but for distance, which is compared.
var creating = []string{"quantization", "shards", "replication-factor", "write-consistency-factor", "m", "ef-construct", "on-disk", "profile"}

func (t *target) define(f *commandline.Set) {
	f.StringVar(&t.collection, "collection", "", "the collection (required)")
	f.StringVar(&t.vectorName, "vector-name", "", "name of the vector in the collection; by default the unnamed vector")
	f.BoolVar(&t.mustExist, "must-exist", false, "do not create the collection")
	f.StringVar(&t.distance, "distance", "cosine", "cosine, dot, euclid or manhattan")
	f.IntVar(&t.shards, "shards", 0, "new collection: number of shards; 0 uses the default of the server")
	f.IntVar(&t.replicas, "replication-factor", 0, "new collection: number of replicas of each shard; 0 uses the default of the server")
	f.IntVar(&t.consistency, "write-consistency-factor", 0, "new collection: number of replicas that must confirm a write; 0 uses the default of the server")
	f.BoolVar(&t.onDisk, "on-disk", false, "new collection: keep the vectors on disk")
	f.StringVar(&t.quantization, "quantization", "none", "new collection: none, int8, binary or turbo (4 bits)")
	f.IntVar(&t.m, "m", 0, "new collection: m, the number of links of each point in the index, instead of that of the profile")
	f.IntVar(&t.efConstruct, "ef-construct", 0, "new collection: ef_construct, instead of that of the profile")
	f.StringSliceVar(&t.indexes, "index", nil, "payload fields to index before loading, as FIELD:KIND with keyword, integer, float, bool, geo, datetime, text or uuid")
}

var fieldTypes = map[string]qdrant.FieldType{
	"keyword": qdrant.FieldType_FieldTypeKeyword, "integer": qdrant.FieldType_FieldTypeInteger, "float": qdrant.FieldType_FieldTypeFloat,
	"bool": qdrant.FieldType_FieldTypeBool, "geo": qdrant.FieldType_FieldTypeGeo, "datetime": qdrant.FieldType_FieldTypeDatetime,
	"text": qdrant.FieldType_FieldTypeText, "uuid": qdrant.FieldType_FieldTypeUuid,
}

// check reads what the flags say.
func (t *target) check(profile string) (err error) {
	if t.collection == "" {
		return commandline.Usage("say which collection: --collection NAME")
	}
	t.compare, err = commandline.OneOf("distance", t.distance,
		commandline.Word("cosine", qdrant.Distance_Cosine), commandline.Word("dot", qdrant.Distance_Dot),
		commandline.Word("euclid", qdrant.Distance_Euclid), commandline.Word("manhattan", qdrant.Distance_Manhattan))
	if err != nil {
		return err
	}
	if _, err := t.quantized(); err != nil {
		return err
	}
	if min(t.shards, t.replicas, t.consistency, t.m, t.efConstruct) < 0 {
		return commandline.Usage("--shards, --replication-factor, --write-consistency-factor, --m and --ef-construct must not be negative")
	}
	t.graph, err = commandline.OneOf("profile", profile, commandline.Word("", [2]int{}), commandline.Word("development", [2]int{48, 512}), commandline.Word("production", [2]int{64, 1024}))
	if err != nil {
		return err
	}
	if t.m > 0 {
		t.graph[0] = t.m
	}
	if t.efConstruct > 0 {
		t.graph[1] = t.efConstruct
	}
	for _, index := range t.indexes {
		at := strings.LastIndexByte(index, ':')
		kind, known := fieldTypes[index[at+1:]]
		if at < 1 || !known {
			return commandline.Usage("--index: %q is not FIELD:KIND with one of %s", index, strings.Join(slices.Sorted(maps.Keys(fieldTypes)), ", "))
		}
		t.fields = append(t.fields, &qdrant.CreateFieldIndexCollection{CollectionName: t.collection, FieldName: index[:at], FieldType: &kind, Wait: qdrant.PtrOf(true)})
	}
	return nil
}

func (t *target) quantized() ([]vector.Setting, error) {
	return commandline.OneOf("quantization", t.quantization,
		commandline.Word[[]vector.Setting]("none", nil),
		commandline.Word("int8", []vector.Setting{vector.Quantized(vector.Int8(0.99, true))}),
		commandline.Word("binary", []vector.Setting{vector.Quantized(vector.Binary(true))}),
		commandline.Word("turbo", []vector.Setting{vector.Quantized(vector.Turbo(qdrant.TurboQuantBitSize_Bits4, true))}))
}

// settings are those of a new collection.
func (t *target) settings(dimension int) []vector.Setting {
	list, _ := t.quantized()
	if t.shards > 0 {
		list = append(list, vector.Shards(t.shards))
	}
	if t.replicas > 0 {
		list = append(list, vector.ReplicationFactor(t.replicas))
	}
	if t.consistency > 0 {
		list = append(list, vector.WriteConsistencyFactor(t.consistency))
	}
	params := &qdrant.VectorParams{Size: uint64(dimension), Distance: t.compare}
	if t.onDisk {
		params.OnDisk = qdrant.PtrOf(true)
	}
	return append(list, vector.RawSetting(func(c *qdrant.CreateCollection) {
		if t.graph != [2]int{} {
			c.HnswConfig = &qdrant.HnswConfigDiff{}
		}
		if m := uint64(t.graph[0]); m > 0 {
			c.HnswConfig.M = &m
		}
		if ef := uint64(t.graph[1]); ef > 0 {
			c.HnswConfig.EfConstruct = &ef
		}
		c.VectorsConfig = qdrant.NewVectorsConfig(params)
		if t.vectorName != "" {
			c.VectorsConfig = qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{t.vectorName: params})
		}
	}))
}

// open finds or creates the collection, sees that the file fits into it, and has its fields indexed.
func (t *target) open(ctx context.Context, s *settings, db *vector.DB, dimension int) (c *vector.Collection[document], created bool, err error) {
	there, err := db.HasCollection(ctx, t.collection)
	if err != nil {
		return nil, false, err
	}
	settings := t.settings(dimension)
	if there || t.mustExist {
		settings = []vector.Setting{vector.MustExist()}
	}
	if c, err = vector.Open[document](ctx, db, t.collection, settings...); err != nil {
		return nil, false, err
	}
	info, err := c.Info(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := t.fits(info.Raw, dimension, len(s.flags.Given("distance")) > 0); err != nil {
		return nil, false, fmt.Errorf("loading into collection %s: %w", t.collection, err)
	}
	if given := s.flags.Given(creating...); there && len(given) > 0 {
		s.note("collection %s is there already: --%s only counts when it is created", t.collection, strings.Join(given, ", --"))
	}
	for _, field := range t.fields {
		if _, err := db.Raw().CreateFieldIndex(ctx, field); err != nil {
			return nil, false, fmt.Errorf("indexing field %s of collection %s: %w", field.FieldName, t.collection, err)
		}
	}
	return c, !there, nil
}

// fits compares the collection with the file, and with the distance if that was asked for.
func (t *target) fits(info *qdrant.CollectionInfo, dimension int, distance bool) error {
	vectors := denseVectors(info)
	params, there := vectors[t.vectorName]
	switch {
	case !there && t.vectorName == "":
		return fmt.Errorf("it has no unnamed vector: name one of %s with --vector-name", quoted(vectors))
	case !there:
		return fmt.Errorf("it has no vector %q, only %s", t.vectorName, quoted(vectors))
	case params.GetMultivectorConfig() != nil:
		return fmt.Errorf("its vector %q is a multi-vector, and the file has one vector for each row", t.vectorName)
	case params.GetSize() != uint64(dimension):
		return fmt.Errorf("the file has %d dimensions, and its vectors have %d", dimension, params.GetSize())
	case distance && params.GetDistance() != t.compare:
		return fmt.Errorf("it compares by %s instead of %s", strings.ToLower(params.GetDistance().String()), t.distance)
	}
	return nil
}

// denseVectors are a collection's vectors by name, the unnamed one as "".
func denseVectors(info *qdrant.CollectionInfo) map[string]*qdrant.VectorParams {
	config := info.GetConfig().GetParams().GetVectorsConfig()
	if single := config.GetParams(); single != nil {
		return map[string]*qdrant.VectorParams{"": single}
	}
	return config.GetParamsMap().GetMap()
}

func quoted[V any](byName map[string]V) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		names = append(names, fmt.Sprintf("%q", name))
	}
	return strings.Join(names, ", ")
}
