package command

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// settings are the values of all flags; a sub-command defines those that it uses.
type settings struct {
	process             Process
	log                 *slog.Logger
	logLevel, logFormat string

	// The release's objects.
	namespace, statefulSet, pod        string
	lease, leaderLease, stateConfigMap string
	replicasLimit                      int
	readNodes                          bool

	// The servers, and the directories of the pod.
	domain, scheme, p2pScheme, caFile, apiKey string
	clustered                                 bool
	storage, shared                           string

	listen, metricsListen                                                     string
	maxWait, permitFor, gracePeriod, preStop, apiWait, setAsideKeep, interval time.Duration

	confirm, maxConcurrentTransfers int
	strategy, transferMethod        string
	replaceLostVolumes, dryRun      bool
	untouched                       []string

	// Commands for people and hooks.
	output, service, secret string
	replicas                int
	yes                     bool
	timeout                 time.Duration
	secretKeys              []string
}

func (f *flags) cluster() {
	s := f.settings
	f.must(&s.statefulSet, "statefulset", "name of the StatefulSet")
	f.must(&s.domain, "domain", "domain below which each pod has its name")
	f.StringVar(&s.scheme, "scheme", "http", "http or https, of the REST API")
	f.StringVar(&s.caFile, "ca-file", "", "file of the authorities that signed the servers' certificates")
}

func (f *flags) kubernetes() {
	s := f.settings
	f.must(&s.namespace, "namespace", "namespace of the release")
	f.IntVar(&s.replicasLimit, "replicas-limit", 16, "how many ordinals there may be")
}

func (f *flags) ownPod() {
	f.must(&f.settings.pod, "pod", "name of the pod that this runs in")
}

// planning is what decides on moves.
func (f *flags) planning() {
	s := f.settings
	f.StringVar(&s.stateConfigMap, "state-configmap", "", "ConfigMap of guard and accept-loss")
	f.StringVar(&s.strategy, "strategy", "count", "what is evened out: none, count or size")
	f.BoolVar(&s.replaceLostVolumes, "replace-lost-volumes", false, "replace peers whose volume is gone")
	f.StringSliceVar(&s.untouched, "untouched", nil, "collections that balancing leaves alone")
	f.BoolVar(&s.readNodes, "read-nodes", false, "ask nodes for the zones of pods")
}

func (s *settings) names() kube.Names {
	return kube.Names{
		Namespace:   s.namespace,
		StatefulSet: s.statefulSet,
		Lease:       cmp.Or(s.lease, s.statefulSet+"-stop"),
		Leader:      cmp.Or(s.leaderLease, s.statefulSet+"-tend"),
		State:       cmp.Or(s.stateConfigMap, s.statefulSet+"-tend"),
	}
}

// kube reaches the API server.
func (s *settings) kube() (*kube.Client, error) {
	api, err := s.process.Connect()
	if err != nil {
		return nil, err
	}
	client := kube.New(api, s.names())
	if s.readNodes {
		client.ReadNodes()
	}
	return client, nil
}

// explicit keeps an explicit 0: where options have defaults, their zero value stands for those.
func explicit(d time.Duration) time.Duration { return max(d, time.Nanosecond) }
