//go:build e2e

package e2e

import (
	"testing"

	client "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
)

// testKeys: Given a release with a key and a key that may read; When clients come with none, a wrong one and each of the two; Then each
// may do what its key says, over gRPC and REST.
func testKeys(t *testing.T, d *deployment) {
	const collection = "keys"
	create := &client.CreateCollection{CollectionName: collection, VectorsConfig: client.NewVectorsConfig(&client.VectorParams{Size: 2, Distance: client.Distance_Dot})}
	for _, test := range []struct {
		name, key   string
		read, write codes.Code
	}{
		{"none", "", codes.Unauthenticated, codes.Unauthenticated},
		{"wrong", "not-the-key", codes.Unauthenticated, codes.Unauthenticated},
		{"read_only", d.keys["read-only-api-key"], codes.OK, codes.PermissionDenied},
		{"right", d.keys["api-key"], codes.OK, codes.OK},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := d.connect(t, test.key)
			_, err := db.ListCollections(t.Context())
			assert.Equalf(t, test.read.String(), status.Code(err).String(), "reading: %v", err)
			err = db.CreateCollection(t.Context(), create)
			assert.Equalf(t, test.write.String(), status.Code(err).String(), "writing: %v", err)

			peer := clusterapi.New(d.peers(t)[0].Client.URL(), test.key)
			_, err = peer.Collections(t.Context())
			if test.read == codes.OK {
				assert.NoError(t, err, "reading over REST")
			} else {
				assert.ErrorContains(t, err, "401", "reading over REST")
			}
		})
	}
	require.NoError(t, d.connect(t, d.keys["api-key"]).DeleteCollection(t.Context(), collection))
}

// TestKeyRotation: Given clients that use a key; When it is replaced as docs/operations/rotate-keys.md says (the new one as alternative, clients move, the
// new one as key, the old one gone); Then no request fails once it is tried again, and the old key is worth nothing.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	d := install(t, c)
	x := d.beginLedger(t, 2)
	old, fresh := d.keys["api-key"], randomKey(t)

	step(t, "the new key as alternative", func() {
		d.keys["alt-api-key"] = fresh
		d.writeSecret(t)
		d.Upgrade(t, release.Chart, d.values(t, `auth: {revision: 1}`))
		x.awaitWhole(t, 3)
	})
	step(t, "clients move to it", func() { x.UseAPIKey(fresh); x.requireWrites(t, "with the new key, after") })
	step(t, "the new key in place of the old one", func() {
		d.keys = map[string]string{"api-key": fresh, "alt-api-key": old, "read-only-api-key": d.keys["read-only-api-key"]}
		d.writeSecret(t)
		d.Upgrade(t, release.Chart, d.values(t, `auth: {revision: 2}`))
		x.awaitWhole(t, 3)
	})
	step(t, "the old key removed", func() {
		delete(d.keys, "alt-api-key")
		d.writeSecret(t)
		d.Upgrade(t, release.Chart, d.values(t, `auth: {revision: 3}`))
		d.WaitReady(t, 3)
	})
	x.requireNothingLost(t, 3)
	_, err := d.connect(t, old).ListCollections(t.Context())
	assert.Equal(t, codes.Unauthenticated.String(), status.Code(err).String(), "the old key")
}
