// Package timeouts has the deadlines of all tests that wait for something outside their own process.
//
// Where a wait ends as soon as what it waits for has happened or cannot happen any more, its deadline is Patience, the same for all: it ends
// a test that hangs, and says nothing about how fast a machine is. The end-to-end tests name their longer waits after the event.
//
// The figures are what two busy cores need, with room to spare. E2E_TIMEOUT_SCALE multiplies all of them: 3 on a slower
// machine, 0.5 to see a broken test fail sooner.
package timeouts

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// Variable is the environment variable that scales every timeout.
const Variable = "E2E_TIMEOUT_SCALE"

// Scale is what every timeout has been multiplied by.
var Scale = scale()

// Patience is what anything has that takes seconds on an idle machine. No test may fail because a machine is slow.
var Patience = scaled(15 * time.Minute)

// What the harness waits for.
var (
	ClusterReady  = scaled(8 * time.Minute)  // kind: nodes created, joined and Ready
	ClusterGone   = scaled(2 * time.Minute)  // kind: node containers removed
	ImageLoaded   = scaled(5 * time.Minute)  // one image on every node
	NodeReady     = scaled(4 * time.Minute)  // a node that was stopped is back, or seen to be gone
	NamespaceGone = scaled(4 * time.Minute)  // every object of a test finalized
	PolicyInForce = scaled(20 * time.Second) // a NetworkPolicy reached the nodes
	Evidence      = scaled(2 * time.Minute)  // everything that is collected from a failed test
	Request       = scaled(30 * time.Second) // one call of the Kubernetes API, one command in a pod
)

// What the tests wait for.
var (
	Helm             = Patience                 // one helm command, hooks included
	HelmTest         = Patience                 // helm test
	PodRunning       = scaled(3 * time.Minute)  // scheduled, volumes attached, container started
	PodGone          = scaled(4 * time.Minute)  // terminated, 120 s of grace included
	ClusterFormed    = scaled(6 * time.Minute)  // all pods ready and one consensus among all peers
	Rollout          = scaled(12 * time.Minute) // three pods, one after the other
	ScaledUp         = scaled(8 * time.Minute)  // metrics seen, HPA acted, pods joined
	CollectionGreen  = scaled(3 * time.Minute)  // optimizers done
	ShardsActive     = scaled(5 * time.Minute)  // every replica Active on every peer
	Balanced         = scaled(6 * time.Minute)  // new peers got their share, one transfer after the other
	Drained          = scaled(6 * time.Minute)  // leaving pods gave their shards away and are gone
	Ended            = time.Minute              // nothing holds the stop of a release that is taken away; a promise, so it does not scale
	CutOff           = time.Minute              // how long a node is cut off
	EndpointsSettled = scaled(1 * time.Minute)  // Service endpoints follow the pods
	Settle           = scaled(10 * time.Second) // the window in which something must NOT happen
	Look             = scaled(5 * time.Second)  // one look in such a window
	Unseen           = scaled(12 * time.Second) // the longest time in such a window without a look that was answered
)

// Tick is the pause between two looks at a condition. It does not scale.
const Tick = 500 * time.Millisecond

func scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) * Scale)
}

func scale() float64 {
	text, set := os.LookupEnv(Variable)
	if !set || text == "" {
		return 1
	}
	factor, err := strconv.ParseFloat(text, 64)
	if err != nil || factor <= 0 {
		// A typo must not silently run the suite with other timeouts than asked for.
		panic(fmt.Sprintf("%s: %q is not a number above 0; set for example %s=2", Variable, text, Variable))
	}
	return factor
}
