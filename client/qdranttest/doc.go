// Package qdranttest is a Qdrant cluster inside a Go test: no process, no container, no network but the loopback interface. It has the
// refusals of a real server in its own words, and faults on request.
//
// The cluster side are peers, consensus, collections, shards, replica states, transfers and shard snapshots behind the REST API
// (Server.URL, Server.Client). Time is the test's there: a transfer takes as many steps as Options.TransferSteps says, and a step is
// taken by Cluster.Step, or by itself with each Options.StepEvery. Answers are true at once otherwise: an election, a commit or a join
// takes no time.
//
// The points side are points, payloads, filters and queries behind the gRPC API (Server.GRPC, Cluster.Target), as any client of Qdrant
// uses it. Collections are the same ones, whichever API made them. Search looks at every point, so that it is exact. What clients did is
// in Cluster.Calls, and Server.FailCalls makes calls fail, hang, or lose their answers.
//
// The points of a collection are kept once for the whole cluster. Which replicas can be reached decides whether a call is answered and
// what read consistency it may ask for, and replicas that miss a write are Dead, but all that answer have all points: also after a
// snapshot was recovered, or the last replica's volume was lost.
//
// What the points side does not have, and answers with the code Unimplemented:
//   - inference: documents, images and objects in place of vectors
//   - custom sharding: shard keys, and the collections' calls for them
//   - relevance feedback queries
//   - CreateVectorName, DeleteVectorName, SearchMatrixPairs, SearchMatrixOffsets
//   - UpdateCollectionClusterSetup (the REST API has it) and the service Snapshots
//
// What it accepts, and what makes no difference: the graph, quantization, datatypes other than float32, segments and optimizers
// (collections are always green, with no vector indexed), write ordering, timeouts, search parameters, strict mode, inexact counts and
// facets. Usage is never told.
//
// What differs from a real server: full-text indexes know no stemmers, languages' stop words, folding to ASCII, and split text in all
// languages by words; values that a field's index has no room for, as a float in a field with an integer index, are found all the same;
// a condition with several parts on a field with an index is met if any part is; a sparse vector's idf counts all shards together;
// groups of queries that fetch before may have other scores; what is malformed in several ways may be refused for another one.
package qdranttest
