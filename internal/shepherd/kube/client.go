package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// callTimeout bounds one call, so that an API server that accepts connections and never answers cannot hold its caller. It is not
// the HTTP client's timeout: that would end watches too.
const callTimeout = 10 * time.Second

// Client reads and writes the objects of one release. It asks the API server each time and remembers nothing but the zones of nodes.
type Client struct {
	api       kubernetes.Interface
	names     Names
	now       func() time.Time
	readNodes bool

	mu    sync.Mutex
	zones map[string]string // by node
}

// New makes a client for the objects that names tells.
func New(api kubernetes.Interface, names Names) *Client {
	return &Client{api: api, names: names, now: time.Now, zones: map[string]string{}}
}

// ReadNodes lets the client ask a node for the zone of a pod that has no zone label of its own. It needs get on nodes, which are not
// of any namespace.
func (c *Client) ReadNodes() *Client {
	c.readNodes = true
	return c
}

// Names are the names the client was made with.
func (c *Client) Names() Names { return c.names }

// Connect reaches the API server with the account of the pod that this runs in.
func Connect() (kubernetes.Interface, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	// A pod that starts reads every claim by its name; client-go's own limit of 5 a second would hold it up.
	config.QPS, config.Burst = 50, 100
	config.UserAgent = "qdrant-shepherd"
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reaching the API server: %w", err)
	}
	return api, nil
}

// IsNotFound says that the API server knows no object of the name.
func IsNotFound(err error) bool { return apierrors.IsNotFound(err) }

// IsDenied says that the account lacks the permission, or that the API server does not know the account.
func IsDenied(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) }

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout)
}
