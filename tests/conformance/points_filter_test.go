package conformance

import (
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func indexes(d *diary) {
	create := func(field string, kind *qdrant.FieldType, params *qdrant.PayloadIndexParams) {
		did[*qdrant.PointsOperationResponse](d, "index "+field)(d.points.CreateFieldIndex(d.ctx, &qdrant.CreateFieldIndexCollection{
			CollectionName: things, FieldName: field, FieldType: kind, FieldIndexParams: params, Wait: proto.Bool(true),
		}))
	}
	create("tag", qdrant.FieldType_FieldTypeKeyword.Enum(), nil)
	create("n", qdrant.FieldType_FieldTypeInteger.Enum(), qdrant.NewPayloadIndexParamsInt(&qdrant.IntegerIndexParams{
		Lookup: proto.Bool(true), Range: proto.Bool(true),
	}))
	create("x", qdrant.FieldType_FieldTypeFloat.Enum(), nil)
	create("flag", qdrant.FieldType_FieldTypeBool.Enum(), nil)
	create("when", qdrant.FieldType_FieldTypeDatetime.Enum(), nil)
	create("at", qdrant.FieldType_FieldTypeGeo.Enum(), nil)
	create("numbers", qdrant.FieldType_FieldTypeInteger.Enum(), nil)
	create("tags", qdrant.FieldType_FieldTypeKeyword.Enum(), qdrant.NewPayloadIndexParamsKeyword(&qdrant.KeywordIndexParams{IsTenant: proto.Bool(true)}))
	create("again", qdrant.FieldType_FieldTypeKeyword.Enum(), nil)
	create("again", qdrant.FieldType_FieldTypeInteger.Enum(), nil)
	create("untyped", nil, nil)
	create("a..b", qdrant.FieldType_FieldTypeKeyword.Enum(), nil)
	remove := func(field string) {
		did[*qdrant.PointsOperationResponse](d, "no index "+field)(d.points.DeleteFieldIndex(d.ctx, &qdrant.DeleteFieldIndexCollection{
			CollectionName: things, FieldName: field, Wait: proto.Bool(true),
		}))
	}
	remove("again")
	remove("again")
	info, err := d.collections.Get(d.ctx, &qdrant.GetCollectionInfoRequest{CollectionName: things})
	if err != nil {
		d.note("payload schema: %v", err)
		return
	}
	for _, field := range []string{"tag", "n", "x", "flag", "when", "at", "numbers", "tags", "again", "untyped"} {
		d.note("schema of %s: %s", field, words(plainOf(d.t, info.GetResult().GetPayloadSchema()[field])))
	}
}

func (d *diary) filter(what string, filter *qdrant.Filter) {
	answer, err := d.points.Scroll(d.ctx, &qdrant.ScrollPoints{
		CollectionName: things, Filter: filter, Limit: proto.Uint32(100), WithPayload: qdrant.NewWithPayload(false),
	})
	d.ids(what, answer, err)
}

func must(conditions ...*qdrant.Condition) *qdrant.Filter { return &qdrant.Filter{Must: conditions} }

func fieldIs(c *qdrant.FieldCondition) *qdrant.Condition {
	return &qdrant.Condition{ConditionOneOf: &qdrant.Condition_Field{Field: c}}
}

func filtered(d *diary) {
	d.filter("all", nil)
	d.filter("empty filter", &qdrant.Filter{})
	// Fields with an index first, then the same without.
	for _, c := range []struct {
		what string
		is   *qdrant.Condition
	}{
		{"keyword", qdrant.NewMatch("tag", "red")}, {"keyword of a list", qdrant.NewMatch("tags", "t2")},
		{"keyword of a number", qdrant.NewMatch("n", "5")}, {"integer", qdrant.NewMatchInt("n", 5)},
		{"integer in a list", qdrant.NewMatchInt("numbers", 4)}, {"integer of a float", qdrant.NewMatchInt("x", 1)},
		{"boolean", qdrant.NewMatchBool("flag", true)}, {"boolean false", qdrant.NewMatchBool("flag", false)},
		{"keywords", qdrant.NewMatchKeywords("tag", "red", "blue", "other")}, {"no keywords", qdrant.NewMatchKeywords("tag")},
		{"integers", qdrant.NewMatchInts("n", 2, 5, 100)}, {"except keywords", qdrant.NewMatchExceptKeywords("tag", "red", "green")},
		{"except keywords in lists", qdrant.NewMatchExcept("tags", "even")}, {"except integers", qdrant.NewMatchExceptInts("numbers", 2, 3)},
		{"text without an index", qdrant.NewMatchText("text", "lazy")}, {"text with another case", qdrant.NewMatchText("text", "Lazy")},
		{"part of a word", qdrant.NewMatchText("text", "jum")}, {"phrase without an index", qdrant.NewMatchPhrase("text", "over the")},
		{"any text without an index", qdrant.NewMatchTextAny("text", "hills dog")},
		{"range", qdrant.NewRange("n", &qdrant.Range{Gte: proto.Float64(-1), Lt: proto.Float64(11)})},
		{"range of floats", qdrant.NewRange("x", &qdrant.Range{Gt: proto.Float64(-1.5), Lte: proto.Float64(1)})},
		{"range in a list", qdrant.NewRange("numbers", &qdrant.Range{Gt: proto.Float64(30), Lt: proto.Float64(50)})},
		{"range of texts", qdrant.NewRange("tag", &qdrant.Range{Gte: proto.Float64(0)})},
		{"range without bounds", qdrant.NewRange("n", &qdrant.Range{})},
		{"dates", qdrant.NewDatetimeRange("when", &qdrant.DatetimeRange{
			Gt: timestamppb.New(time.Date(2024, 4, 3, 4, 5, 6, 4000, time.UTC)), Lte: timestamppb.New(time.Date(2024, 8, 3, 4, 5, 6, 8000, time.UTC)),
		})},
		{"dates of texts", qdrant.NewDatetimeRange("tag", &qdrant.DatetimeRange{Gt: timestamppb.New(time.Unix(0, 0))})},
		{"radius", qdrant.NewGeoRadius("at", 45, 7.5, 200_000)},
		{"box", qdrant.NewGeoBoundingBox("at", 48.5, 5.5, 43, 8)},
		{"polygon", qdrant.NewGeoPolygon("at", &qdrant.GeoLineString{Points: []*qdrant.GeoPoint{
			{Lon: 5, Lat: 42.5}, {Lon: 9.5, Lat: 42.5}, {Lon: 7, Lat: 50.5}, {Lon: 5, Lat: 42.5},
		}})},
		{"polygon with a hole", qdrant.NewGeoPolygon("at",
			&qdrant.GeoLineString{
				Points: []*qdrant.GeoPoint{
					{Lon: 4, Lat: 41.5}, {Lon: 9.75, Lat: 41.5}, {Lon: 9.75, Lat: 51}, {Lon: 4, Lat: 51}, {Lon: 4, Lat: 41.5},
				},
			},
			&qdrant.GeoLineString{
				Points: []*qdrant.GeoPoint{
					{Lon: 6.2, Lat: 44.5}, {Lon: 8, Lat: 44.5}, {Lon: 8, Lat: 48.2}, {Lon: 6.2, Lat: 48.2}, {Lon: 6.2, Lat: 44.5},
				},
			},
		)},
		{"count of values", qdrant.NewValuesCount("numbers", &qdrant.ValuesCount{Gte: proto.Uint64(3)})},
		{"count of no values", qdrant.NewValuesCount("tags", &qdrant.ValuesCount{Lt: proto.Uint64(1)})},
		{"count of one value", qdrant.NewValuesCount("tag", &qdrant.ValuesCount{Gt: proto.Uint64(0), Lte: proto.Uint64(1)})},
		{"count of nulls", qdrant.NewValuesCount("nulls", &qdrant.ValuesCount{Gte: proto.Uint64(2)})},
		{"is empty, absent", qdrant.NewIsEmpty("tags")}, {"is empty, null", qdrant.NewIsEmpty("nothing")}, {"is empty list", qdrant.NewIsEmpty("empty")},
		{"is null", qdrant.NewIsNull("nothing")}, {"is null, absent", qdrant.NewIsNull("absent")}, {"is null in a list", qdrant.NewIsNull("nulls")},
		{"field is empty", fieldIs(&qdrant.FieldCondition{Key: "empty", IsEmpty: proto.Bool(true)})},
		{"field is not empty", fieldIs(&qdrant.FieldCondition{Key: "empty", IsEmpty: proto.Bool(false)})},
		{"field is null", fieldIs(&qdrant.FieldCondition{Key: "nulls", IsNull: proto.Bool(true)})},
		{"field is not null", fieldIs(&qdrant.FieldCondition{Key: "nulls", IsNull: proto.Bool(false)})},
		{"field with index is not null", fieldIs(&qdrant.FieldCondition{Key: "flag", IsNull: proto.Bool(false)})},
		{"ids", qdrant.NewHasID(qdrant.NewIDNum(3), qdrant.NewID(uuidA), qdrant.NewIDNum(88))},
		{"no ids", qdrant.NewHasID()},
		{"has vector", qdrant.NewHasVector("euclid")}, {"has sparse vector", qdrant.NewHasVector("words")}, {"has unknown vector", qdrant.NewHasVector("other")},
		{"deep field", qdrant.NewMatchInt("deep.a.b", 7)}, {"odd key", qdrant.NewMatch(`deep."odd key"`, "k")},
		{"element", qdrant.NewMatch("tags[0]", "even")}, {"of every element", qdrant.NewMatchInt("items[].n", 4)}, {"of one element", qdrant.NewMatchInt("items[1].n", 4)},
		{"of elements without brackets", qdrant.NewMatchInt("items.n", 4)},
		{"nested", qdrant.NewNestedFilter("items", must(qdrant.NewMatch("kind", "a"), qdrant.NewMatchInt("n", 4)))},
		{"nested, another element", qdrant.NewNestedFilter("items[]", must(qdrant.NewMatch("kind", "b"), qdrant.NewMatchInt("n", 4)))},
		{"nested must not", qdrant.NewNestedFilter("items", &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewMatchInt("sizes", 4)}, Must: []*qdrant.Condition{qdrant.NewMatch("kind", "b")}})},
		{"nested in no list", qdrant.NewNestedFilter("deep", must(qdrant.NewIsEmpty("c")))},
		{"filter in a filter", qdrant.NewFilterAsCondition(&qdrant.Filter{Should: []*qdrant.Condition{qdrant.NewMatchInt("n", 5), qdrant.NewMatch("tag", "none")}})},
		{"count of no values without an index", qdrant.NewValuesCount("nulls", &qdrant.ValuesCount{Lt: proto.Uint64(1)})},
		{"several parts of a condition", fieldIs(&qdrant.FieldCondition{Key: "deep.a.b", Match: qdrant.NewMatchInt("n", 5).GetField().GetMatch(), Range: &qdrant.Range{Gt: proto.Float64(8)}})},
	} {
		d.filter(c.what, must(c.is))
		d.filter("not "+c.what, &qdrant.Filter{MustNot: []*qdrant.Condition{c.is}})
	}
	red, flag, late := qdrant.NewMatch("tag", "red"), qdrant.NewMatchBool("flag", true), qdrant.NewRange("n", &qdrant.Range{Gt: proto.Float64(8)})
	d.filter("should", &qdrant.Filter{Should: []*qdrant.Condition{red, flag}})
	d.filter("must and should", &qdrant.Filter{Must: []*qdrant.Condition{late}, Should: []*qdrant.Condition{red, flag}})
	d.filter("all three", &qdrant.Filter{
		Must: []*qdrant.Condition{late}, Should: []*qdrant.Condition{red, flag},
		MustNot: []*qdrant.Condition{qdrant.NewHasID(qdrant.NewIDNum(8))},
	})
	for n := range uint64(4) {
		d.filter("at least "+words(float64(n)), &qdrant.Filter{
			MinShould: &qdrant.MinShould{Conditions: []*qdrant.Condition{red, flag, late}, MinCount: n},
		})
	}
	d.texts()
}

// texts asks for words with several full-text indexes.
func (d *diary) texts() {
	for _, index := range []struct {
		what   string
		params *qdrant.TextIndexParams
	}{
		{"words", &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, PhraseMatching: proto.Bool(true)}},
		{"whitespace, case kept", &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Whitespace, Lowercase: proto.Bool(false)}},
		{"prefixes", &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Prefix, MinTokenLen: proto.Uint64(2), MaxTokenLen: proto.Uint64(4)}},
		{"long words", &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, MinTokenLen: proto.Uint64(4), MaxTokenLen: proto.Uint64(5), Stopwords: &qdrant.StopwordsSet{Custom: []string{"brown"}}}},
	} {
		did[*qdrant.PointsOperationResponse](d, "index by "+index.what)(d.points.CreateFieldIndex(d.ctx, &qdrant.CreateFieldIndexCollection{
			CollectionName: things, FieldName: "text", FieldType: qdrant.FieldType_FieldTypeText.Enum(), Wait: proto.Bool(true),
			FieldIndexParams: qdrant.NewPayloadIndexParamsText(index.params),
		}))
		for _, text := range []string{"LAZY", "lazy brown", "quick!", "jum", "jumps over", "over the hills", "the over", "", "absent", "!", "brown"} {
			d.filter("text "+text, must(qdrant.NewMatchText("text", text)))
			d.filter("phrase "+text, must(qdrant.NewMatchPhrase("text", text)))
			d.filter("any of "+text, must(qdrant.NewMatchTextAny("text", text)))
		}
	}
}

func refusedFilters(d *diary) {
	for _, c := range []struct {
		what string
		is   *qdrant.Condition
	}{
		{"no condition", &qdrant.Condition{}}, {"field without anything", fieldIs(&qdrant.FieldCondition{Key: "n"})},
		{"field without a key", qdrant.NewMatch("", "a")}, {"malformed key", qdrant.NewMatch("a[x]", "a")},
		{"malformed key of is empty", qdrant.NewIsEmpty("a..b")}, {"malformed key of is null", qdrant.NewIsNull("[]")},
		{"match without a value", fieldIs(&qdrant.FieldCondition{Key: "n", Match: &qdrant.Match{}})},
		{"radius without a center", fieldIs(&qdrant.FieldCondition{Key: "at", GeoRadius: &qdrant.GeoRadius{Radius: 1}})},
		{"box with one corner", fieldIs(&qdrant.FieldCondition{Key: "at", GeoBoundingBox: &qdrant.GeoBoundingBox{TopLeft: &qdrant.GeoPoint{}}})},
		{"open polygon", qdrant.NewGeoPolygon("at", &qdrant.GeoLineString{Points: []*qdrant.GeoPoint{{Lon: 1}, {Lon: 2}, {Lon: 3}, {Lon: 4}}})},
		{"polygon of two points", qdrant.NewGeoPolygon("at", &qdrant.GeoLineString{Points: []*qdrant.GeoPoint{{Lon: 1}, {Lon: 1}}})},
		{"nested without a filter", &qdrant.Condition{ConditionOneOf: &qdrant.Condition_Nested{Nested: &qdrant.NestedCondition{Key: "items"}}}},
		{"malformed id", qdrant.NewHasID(qdrant.NewID("x"))},
		{"field without anything in a filter", qdrant.NewFilterAsCondition(&qdrant.Filter{Should: []*qdrant.Condition{fieldIs(&qdrant.FieldCondition{Key: "n"})}})},
		{"field without anything in a nested one", qdrant.NewNestedFilter("items", &qdrant.Filter{MustNot: []*qdrant.Condition{fieldIs(&qdrant.FieldCondition{Key: "n"})}})},
	} {
		d.filter(c.what, must(c.is))
	}
}

func scrolled(d *diary) {
	scroll := func(what string, in *qdrant.ScrollPoints) {
		in.CollectionName = things
		if in.WithPayload == nil {
			in.WithPayload = qdrant.NewWithPayloadInclude("n")
		}
		did[*qdrant.ScrollResponse](d, what)(d.points.Scroll(d.ctx, in))
	}
	scroll("the first", &qdrant.ScrollPoints{Limit: proto.Uint32(3)})
	scroll("from 4 on", &qdrant.ScrollPoints{Limit: proto.Uint32(2), Offset: qdrant.NewIDNum(4)})
	scroll("from a point that there is none of", &qdrant.ScrollPoints{Limit: proto.Uint32(1), Offset: qdrant.NewIDNum(50)})
	scroll("the last", &qdrant.ScrollPoints{Limit: proto.Uint32(5), Offset: qdrant.NewID(uuidA)})
	scroll("with a filter", &qdrant.ScrollPoints{Limit: proto.Uint32(2), Filter: must(qdrant.NewMatch("tag", "red"))})
	scroll("without a limit", &qdrant.ScrollPoints{})
	scroll("with limit 0", &qdrant.ScrollPoints{Limit: proto.Uint32(0)})
	scroll("with all payload by default", &qdrant.ScrollPoints{Limit: proto.Uint32(1), WithPayload: &qdrant.WithPayloadSelector{}})
	answer, err := d.points.Scroll(d.ctx, &qdrant.ScrollPoints{CollectionName: things, Limit: proto.Uint32(1)})
	did[*qdrant.ScrollResponse](d, "without saying what")(answer, err)
	order := func(key string, desc bool, start *qdrant.StartFrom) *qdrant.OrderBy {
		by := &qdrant.OrderBy{Key: key, StartFrom: start}
		if desc {
			by.Direction = qdrant.Direction_Desc.Enum()
		}
		return by
	}
	scroll("by n", &qdrant.ScrollPoints{Limit: proto.Uint32(3), OrderBy: order("n", false, nil)})
	scroll("by n downwards", &qdrant.ScrollPoints{Limit: proto.Uint32(3), OrderBy: order("n", true, nil)})
	scroll("by n from 5", &qdrant.ScrollPoints{Limit: proto.Uint32(3), OrderBy: order("n", false, qdrant.NewStartFromInt(5))})
	scroll("by n downwards from 5", &qdrant.ScrollPoints{Limit: proto.Uint32(3), OrderBy: order("n", true, qdrant.NewStartFromFloat(5.5))})
	scroll("by x", &qdrant.ScrollPoints{
		Limit: proto.Uint32(3), OrderBy: order("x", false, nil), Filter: must(qdrant.NewMatch("tag", "red")),
	})
	scroll("by when", &qdrant.ScrollPoints{Limit: proto.Uint32(3), OrderBy: order("when", false, nil)})
	scroll("by when from a date", &qdrant.ScrollPoints{
		Limit: proto.Uint32(3), OrderBy: order("when", false, qdrant.NewStartFromDatetime("2024-06-03T04:05:06.000006Z")),
	})
	scroll("by a list", &qdrant.ScrollPoints{Limit: proto.Uint32(6), OrderBy: order("numbers", false, nil)})
	scroll("by a field without an index", &qdrant.ScrollPoints{OrderBy: order("deep.a.b", false, nil)})
	scroll("by a field with a keyword index", &qdrant.ScrollPoints{OrderBy: order("tag", false, nil)})
	scroll("by n with an offset", &qdrant.ScrollPoints{OrderBy: order("n", false, nil), Offset: qdrant.NewIDNum(3)})
	scroll("by a malformed date", &qdrant.ScrollPoints{OrderBy: order("when", false, qdrant.NewStartFromDatetime("soon"))})
	did[*qdrant.ScrollResponse](d, "of nothing")(d.points.Scroll(d.ctx, &qdrant.ScrollPoints{CollectionName: "nothing"}))
	did[*qdrant.CountResponse](d, "count with a filter")(d.points.Count(d.ctx, &qdrant.CountPoints{
		CollectionName: things, Exact: proto.Bool(true), Filter: must(qdrant.NewMatch("tag", "red")),
	}))
	did[*qdrant.CountResponse](d, "count of nothing")(d.points.Count(d.ctx, &qdrant.CountPoints{CollectionName: "nothing"}))
}
