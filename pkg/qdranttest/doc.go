// Package qdranttest is a Qdrant cluster inside a Go test: no process, no container, no network but the loopback interface. Here is
// its cluster side: peers, consensus, collections, shards, replica states, transfers and shard snapshots behind the REST API, with
// the refusals of a real server in its own words, and faults on request.
//
// Time is the test's: a transfer takes as many steps as Options.TransferSteps says, and a step is taken by Cluster.Step, or by itself
// with each Options.StepEvery. Answers are true at once otherwise: an election, a commit or a join takes no time.
package qdranttest
