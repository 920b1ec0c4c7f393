package qdranttest

import (
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// FuzzRequests asks for whatever can be put into words: it is answered or refused.
func FuzzRequests(f *testing.F) {
	for number, seed := range []proto.Message{
		&qdrant.UpdateBatchPoints{CollectionName: "words", Operations: []*qdrant.PointsUpdateOperation{
			qdrant.NewPointsUpdateUpsert(&qdrant.PointsUpdateOperation_PointStructList{Points: []*qdrant.PointStruct{
				{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectors(1, 2), Payload: qdrant.NewValueMap(map[string]any{"a": []any{1, map[string]any{"b": 2}}})},
			}}),
			qdrant.NewPointsUpdateSetPayload(&qdrant.PointsUpdateOperation_SetPayload{
				PointsSelector: qdrant.NewPointsSelector(qdrant.NewIDNum(1)), Key: proto.String("a[].b"), Payload: qdrant.NewValueMap(map[string]any{"c": 1}),
			}),
			qdrant.NewPointsUpdateUpdateVectors(&qdrant.PointsUpdateOperation_UpdateVectors{
				Points: []*qdrant.PointVectors{{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectors(1)}},
			}),
		}},
		&qdrant.QueryPoints{CollectionName: "words", Query: qdrant.NewQueryFusion(qdrant.Fusion_DBSF), Prefetch: []*qdrant.PrefetchQuery{
			{Query: qdrant.NewQuery(1, 2), Filter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewGeoRadius("a", 1, 2, 3), qdrant.NewMatch("b", "c")}}},
			{Query: qdrant.NewQueryContext(&qdrant.ContextInput{Pairs: []*qdrant.ContextInputPair{{Positive: qdrant.NewVectorInput(1, 2), Negative: qdrant.NewVectorInput(3, 4)}}})},
			{Query: qdrant.NewQueryFormula(&qdrant.Formula{Expression: qdrant.NewExpressionGaussDecay(&qdrant.DecayParamsExpression{X: qdrant.NewExpressionVariable("$score")})}), Prefetch: []*qdrant.PrefetchQuery{
				{Query: qdrant.NewQueryMMR(qdrant.NewVectorInput(1, 2), &qdrant.Mmr{Diversity: proto.Float32(0.5)})},
			}},
		}},
		&qdrant.QueryPointGroups{
			CollectionName: "words",
			Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{
				Positive: []*qdrant.VectorInput{qdrant.NewVectorInputID(qdrant.NewIDNum(7))},
			}),
			GroupBy: "a",
		},
		&qdrant.ScrollPoints{
			CollectionName: "words", OrderBy: &qdrant.OrderBy{Key: "n"}, WithPayload: qdrant.NewWithPayloadExclude("a[].b"),
		},
		&qdrant.CreateCollection{
			CollectionName: "more", VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 1, Distance: qdrant.Distance_Cosine}),
		},
		&qdrant.UpdateCollection{
			CollectionName: "words",
			VectorsConfig:  qdrant.NewVectorsConfigDiffMap(map[string]*qdrant.VectorParamsDiff{"": {OnDisk: proto.Bool(true)}}),
		},
		&qdrant.ChangeAliases{Actions: []*qdrant.AliasOperations{qdrant.NewAliasCreate("a", "words")}},
		&qdrant.CreateFieldIndexCollection{CollectionName: "words", FieldName: "a", FieldType: qdrant.FieldType_FieldTypeText.Enum()},
	} {
		encoded, err := proto.Marshal(seed)
		require.NoError(f, err)
		f.Add(byte(number), encoded)
	}
	f.Fuzz(func(t *testing.T, number byte, encoded []byte) {
		s := Start(t, 1, Options{}).Server(0)
		s.cluster.CreateCollection("words", 1, 1)
		points, collections := pointsAPI{server: s}, collectionsAPI{server: s}
		s.cluster.lock()
		defer s.cluster.mu.Unlock()
		s.group.collections["words"].config = defaultConfig(singleVector(2, qdrant.Distance_Cosine))
		ctx := t.Context()
		_, err := points.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: "words", Points: []*qdrant.PointStruct{
			{Id: qdrant.NewIDNum(7), Vectors: qdrant.NewVectors(1, 2), Payload: qdrant.NewValueMap(map[string]any{"n": 1, "a": []any{1, map[string]any{"b": 2}}})},
			{Id: qdrant.NewIDNum(8), Vectors: qdrant.NewVectors(0, 0), Payload: qdrant.NewValueMap(map[string]any{"n": 1.5, "a": "text"})},
		}})
		require.NoError(t, err)
		_, err = points.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{
			CollectionName: "words", FieldName: "n", FieldType: qdrant.FieldType_FieldTypeFloat.Enum(),
		})
		require.NoError(t, err)
		read := func(in proto.Message) bool { return proto.Unmarshal(encoded, in) == nil }
		batch, query, groups, scroll := &qdrant.UpdateBatchPoints{}, &qdrant.QueryPoints{}, &qdrant.QueryPointGroups{}, &qdrant.ScrollPoints{}
		create, update, aliases, index := &qdrant.CreateCollection{}, &qdrant.UpdateCollection{}, &qdrant.ChangeAliases{}, &qdrant.CreateFieldIndexCollection{}
		switch {
		case number%8 == 0 && read(batch):
			_, err = points.UpdateBatch(ctx, batch)
		case number%8 == 1 && read(query):
			_, err = points.Query(ctx, query)
		case number%8 == 2 && read(groups):
			_, err = points.QueryGroups(ctx, groups)
		case number%8 == 3 && read(scroll):
			_, err = points.Scroll(ctx, scroll)
		case number%8 == 4 && read(create):
			_, err = collections.Create(ctx, create)
		case number%8 == 5 && read(update):
			_, err = collections.Update(ctx, update)
		case number%8 == 6 && read(aliases):
			_, err = collections.UpdateAliases(ctx, aliases)
		case number%8 == 7 && read(index):
			_, err = points.CreateFieldIndex(ctx, index)
		}
		if err != nil {
			require.NotEmpty(t, toStatus(err).Error())
		}
		_, err = collections.Get(ctx, &qdrant.GetCollectionInfoRequest{CollectionName: "words"})
		require.NoError(t, toStatus(err))
	})
}
