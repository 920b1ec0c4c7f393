package clusterapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

const telemetryPath = "/telemetry?details_level=3"

func TestState(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, telemetryPath, http.StatusOK, `{"result":{"id":"b02c",
		"app":{"name":"qdrant","version":"1.18.3","startup":"2026-11-23T14:26:57.890Z"},
		"collections":{"number_of_collections":2,"collections":[
			{"id":"words","config":{"params":{"shard_number":2,"replication_factor":2,"write_consistency_factor":1}},
			"shards":[
				{"id":1,"key":null,"local":null,"remote":[{"shard_id":1,"peer_id":22}],"replicate_states":{"22":"Dead"}},
				{"id":0,"key":null,"local":{"num_points":98,"vectors_size_bytes":1568,"payloads_size_bytes":12544},
				"replicate_states":{"22":"Partial","11":"Active"}}],
			"transfers":[{"shard_id":0,"from":11,"to":22,"sync":true,"method":"stream_records","comment":"transferring"}],"resharding":[]},
			{"id":"keyed","config":{"params":{"shard_number":1,"replication_factor":1,"write_consistency_factor":1}},
			"shards":[{"id":3,"key":"eu","local":null,"replicate_states":{"11":"Initializing"}},
				{"id":5,"key":"us","local":null,"replicate_states":{}}],
			"transfers":[],"resharding":[{"shard_id":4,"peer_id":11}]}]},
		"cluster":{"enabled":true,"status":{"peer_id":11,"term":1}}},"status":"ok","time":0.1}`)

	state, err := client.State(t.Context())

	require.NoError(t, err)
	assert.Equal(t, clusterapi.State{
		PeerID: 11, Version: "1.18.3", Started: time.Date(2026, 11, 23, 14, 26, 57, 890e6, time.UTC),
		Collections: []clusterapi.CollectionState{
			{
				Name: "keyed", ReplicationFactor: 1, ShardNumber: 1, WriteConsistencyFactor: 1, Resharding: true,
				Shards:    []clusterapi.ShardID{3, 5},
				Replicas:  []clusterapi.Replica{{Shard: 3, ShardKey: "eu", Peer: 11, State: clusterapi.Initializing, Local: true}},
				Transfers: []clusterapi.Transfer{},
			},
			{
				Name: "words", ReplicationFactor: 2, ShardNumber: 2, WriteConsistencyFactor: 1,
				Shards: []clusterapi.ShardID{0, 1},
				Replicas: []clusterapi.Replica{
					{Shard: 0, Peer: 11, State: clusterapi.Active, Points: 98, Bytes: 14112, Local: true},
					{Shard: 0, Peer: 22, State: clusterapi.Partial},
					{Shard: 1, Peer: 22, State: clusterapi.Dead},
				},
				Transfers: []clusterapi.Transfer{{From: 11, To: 22, Sync: true, Method: "stream_records", Comment: "transferring"}},
			},
		},
	}, state)
}

func TestStateOfASingleNode(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, telemetryPath, http.StatusOK, `{"result":{"app":{"version":"1.18.3","startup":"2026-11-23T14:26:57Z"},
		"collections":{"number_of_collections":1,"collections":[{"id":"words","config":{"params":{}},
		"shards":[{"id":0,"local":{"num_points":5,"vectors_size_bytes":7},"replicate_states":{"9":"Active"}}]}]},
		"cluster":{"enabled":false}}}`)

	state, err := client.State(t.Context())

	require.NoError(t, err)
	assert.Equal(t, []clusterapi.Replica{{Peer: 9, State: clusterapi.Active, Points: 5, Bytes: 7, Local: true}}, state.Collections[0].Replicas)
}

// A part that is missing must not read as a cluster that holds nothing.
func TestStateThatLacksAPartIsAnError(t *testing.T) {
	t.Parallel()
	const app = `"app":{"version":"1.18.3","startup":"2026-11-23T14:26:57Z"}`
	for _, test := range []struct{ name, body, want string }{
		{"nothing", `{}`, "names no version"},
		{"no start", `{"app":{"version":"1.18.3"},"collections":{"collections":[]}}`, "no start of the process"},
		{"no collections", `{` + app + `}`, "lacks collections"},
		{"fewer collections than there are", `{` + app + `,"collections":{"number_of_collections":2,"collections":[{"id":"a","shards":[]}]}}`, "lacks collections"},
		{"only their number", `{` + app + `,"collections":{"number_of_collections":2}}`, "lacks collections"},
		{"no shards", `{` + app + `,"collections":{"number_of_collections":1,"collections":[{"id":"a"}]}}`, "lacks the shards of collection a"},
		{"a shard without a number", `{` + app + `,"collections":{"collections":[{"id":"a","shards":[{"id":"x"}]}]}}`, "decoding the answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, _, _ := serve(t, telemetryPath, http.StatusOK, `{"result":`+test.body+`}`)

			_, err := client.State(t.Context())

			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "reading the state")
		})
	}
}

func TestStateOfAnEmptyServer(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, telemetryPath, http.StatusOK, `{"result":{"app":{"version":"1.18.3","startup":"2026-11-23T14:26:57Z"},
		"collections":{"number_of_collections":0,"collections":[]},"cluster":{"enabled":true,"status":{"peer_id":1}}}}`)

	state, err := client.State(t.Context())

	require.NoError(t, err)
	assert.Empty(t, state.Collections)
}
