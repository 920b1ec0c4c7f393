package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// diary takes down what the gRPC API of a cluster answers, in words that do not depend on which cluster it is.
type diary struct {
	t           *testing.T
	of          subject
	ctx         context.Context // with the key
	connections []*grpc.ClientConn
	collections qdrant.CollectionsClient // of server 0
	points      qdrant.PointsClient
	// names stand for peers' ids.
	names map[string]string
	lines []string
}

func newDiary(t *testing.T, addresses []string, of subject) *diary {
	t.Helper()
	d := &diary{t: t, of: of, ctx: metadata.AppendToOutgoingContext(t.Context(), "api-key", key), names: map[string]string{}}
	for i, address := range addresses {
		conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		d.connections = append(d.connections, conn)
		view, err := of.client(i).Cluster(t.Context())
		require.NoError(t, err)
		d.names[view.PeerID.String()] = fmt.Sprintf("p%d", i)
	}
	d.collections, d.points = qdrant.NewCollectionsClient(d.connections[0]), qdrant.NewPointsClient(d.connections[0])
	return d
}

// chapter starts a new part of the course.
func (d *diary) chapter(title string) { d.lines = append(d.lines, "", "# "+title) }

func (d *diary) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for id, name := range d.names {
		text = strings.ReplaceAll(text, id, name)
	}
	d.lines = append(d.lines, text)
}

func (d *diary) text() string { return strings.TrimSpace(strings.Join(d.lines, "\n")) + "\n" }

// ignored are fields that differ from run to run, or by what the machine is.
var ignored = []string{"time", "usage", "segmentsCount", "commit", "updateQueue"}

// did takes down how a call went: the refusal, or what was answered, list elements on a line each.
func did[M proto.Message](d *diary, what string) func(M, error) {
	return func(answer M, err error) {
		d.t.Helper()
		if err != nil {
			d.note("%s: %s: %s", what, status.Code(err), status.Convert(err).Message())
			return
		}
		plain := plainOf(d.t, answer)
		fields, _ := plain.(map[string]any)
		for _, list := range []string{"result", "hits", "collections", "aliases"} {
			items, isList := fields[list].([]any)
			if !isList {
				continue
			}
			delete(fields, list)
			d.note("%s: %s", what, words(fields))
			for _, item := range items {
				d.note("  %s", words(item))
			}
			return
		}
		d.note("%s: %s", what, words(plain))
	}
}

// ids takes down only which points were found, in the order of the answer.
func (d *diary) ids(what string, answer *qdrant.ScrollResponse, err error) {
	d.t.Helper()
	if err != nil {
		d.note("%s: %s: %s", what, status.Code(err), status.Convert(err).Message())
		return
	}
	var ids []string
	for _, p := range answer.GetResult() {
		ids = append(ids, words(plainOf(d.t, p.GetId())))
	}
	d.note("%s: %s", what, strings.Join(ids, " "))
}

// plainOf is a message as JSON has it, without the wrappings of ids and values.
func plainOf(t *testing.T, message proto.Message) any {
	t.Helper()
	encoded, err := protojson.Marshal(message)
	require.NoError(t, err)
	var decoded any
	require.NoError(t, json.Unmarshal(encoded, &decoded))
	return unwrapped(decoded)
}

func unwrapped(value any) any {
	switch value := value.(type) {
	case map[string]any:
		if len(value) == 1 {
			for name, inner := range value {
				switch name {
				case "num", "uuid", "stringValue", "boolValue":
					return inner
				case "integerValue", "unsignedValue", "int":
					return json.Number(fmt.Sprint(inner))
				case "nullValue":
					return nil
				case "structValue", "fields", "listValue", "values", "vectors", "data", "dense":
					if name != "values" && name != "vectors" && name != "data" || inner != nil {
						return unwrapped(inner)
					}
				}
			}
		}
		plain := map[string]any{}
		for name, inner := range value {
			if !slices.Contains(ignored, name) {
				plain[name] = unwrapped(inner)
			}
		}
		return plain
	case []any:
		plain := make([]any, 0, len(value))
		for _, inner := range value {
			plain = append(plain, unwrapped(inner))
		}
		return plain
	default:
		return value
	}
}

// words writes a value on one line, with numbers rounded to four digits.
func words(value any) string {
	switch value := value.(type) {
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(value)) {
			parts = append(parts, name+": "+words(value[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, inner := range value {
			parts = append(parts, words(inner))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case float64:
		if math.Abs(value) < 1e-6 {
			return "0."
		}
		text := strconv.FormatFloat(value, 'g', 4, 64)
		if !strings.ContainsAny(text, ".e") {
			text += "." // tells a float from an integer
		}
		return text
	case json.Number:
		return value.String()
	case nil:
		return "null"
	default:
		return fmt.Sprint(value)
	}
}
