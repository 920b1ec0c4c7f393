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
	f.must(&s.domain, "domain", "domain of the pods: POD.DOMAIN is the host name of a pod")
	f.StringVar(&s.scheme, "scheme", "http", "scheme of the REST API: http or https")
	f.StringVar(&s.caFile, "ca-file", "", "file with the certificate authorities of the servers")
}

func (f *flags) kubernetes() {
	s := f.settings
	f.must(&s.namespace, "namespace", "namespace of the release")
	f.IntVar(&s.replicasLimit, "replicas-limit", 16, "highest number of pods that the release can have")
}

func (f *flags) ownPod() {
	f.must(&f.settings.pod, "pod", "name of the own pod")
}

// planning is what decides on moves.
func (f *flags) planning() {
	s := f.settings
	f.StringVar(&s.stateConfigMap, "state-configmap", "", "ConfigMap of the guard and of accept-loss")
	f.StringVar(&s.strategy, "strategy", "count", "what to balance over the peers: count (of replicas), size, or none")
	f.BoolVar(&s.replaceLostVolumes, "replace-lost-volumes", false, "replace peers that have lost their volume")
	f.StringSliceVar(&s.untouched, "untouched", nil, "collections that balancing does not move")
	f.BoolVar(&s.readNodes, "read-nodes", false, "read the zones of pods from their nodes")
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
