package cluster

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The clusters that must not outlive this process. A cluster is entered before it is created.
var (
	registered struct {
		sync.Mutex
		clusters []*Cluster
	}
	onExit sync.Once
	// deleting is held while a cluster is deleted, and for good once a signal has come: the test's own way out then waits
	// instead of ending the process under the deletion.
	deleting sync.Mutex
)

func register(c *Cluster) {
	registered.Lock()
	registered.clusters = append(registered.clusters, c)
	registered.Unlock()
	onExit.Do(func() {
		signals := make(chan os.Signal, 2)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		go func() {
			received := <-signals
			go func() { <-signals; os.Exit(130) }()
			deleteAll(received.String())
			os.Exit(130)
		}()
		if left, ok := beforeDeadline(); ok {
			// At its -timeout, go test panics: no deferred call runs and the nodes would stay.
			time.AfterFunc(left, func() {
				deleteAll("go test -timeout is about to pass")
				// The panic comes only while tests run. What runs after them, and fails now, must end by itself.
				deleting.Unlock()
			})
		}
	})
}

func unregister(c *Cluster) {
	registered.Lock()
	defer registered.Unlock()
	registered.clusters = slices.DeleteFunc(registered.clusters, func(other *Cluster) bool { return other == c })
}

func deleteAll(why string) {
	deleting.Lock()
	registered.Lock()
	clusters := slices.Clone(registered.clusters)
	registered.Unlock()
	for _, c := range clusters {
		fmt.Fprintf(os.Stderr, "%s: deleting kind cluster %s\n", why, c.Name)
		// Until none is seen any more, twice: while kind is still creating nodes, one may come up after those that were there
		// have been listed, and the engine takes time over one that is half made.
		var err error
		for clean, attempts := 0, 0; clean < 2 && attempts < 30; attempts++ {
			err = c.remove()
			<-time.After(time.Second)
			if left, listErr := c.provider.ListNodes(c.Name); err == nil && listErr == nil && len(left) == 0 {
				clean++
			} else {
				clean = 0
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// beforeDeadline is the time until a minute before go test's -timeout.
func beforeDeadline() (time.Duration, bool) {
	timeout := flag.Lookup("test.timeout")
	if timeout == nil {
		return 0, false
	}
	getter, ok := timeout.Value.(flag.Getter)
	if !ok {
		return 0, false
	}
	limit, ok := getter.Get().(time.Duration)
	if !ok || limit <= 2*time.Minute {
		return 0, false
	}
	return limit - time.Minute, true
}
