// Command bench measures a Qdrant server through client/vector, and client/vector against other ways to do the same.
//
// It works on real vectors (package wordvectors) and knows the true neighbours of every query, so that a recall stands beside every speed. Nothing
// is timed before the server has been seen to have built its graph: below its indexing threshold it compares all vectors, is green, and has
// a recall of 1 that says nothing.
//
// A run starts a server of its own (or uses one that is there, which it leaves as it was apart from collections named vector-bench-…),
// and leaves report.json, report.md and SVG plots in a directory.
//
// What it does not measure:
//   - restarts: how searches and writes fare while a server, or a peer of a cluster, goes and comes back
//   - wide vectors: all have 100 dimensions, and models give 384 to 3,072; a byte sent or compared weighs more there, a call less
//   - REST: all that is compared speaks gRPC
//   - the client by itself, against a server that does nothing; package benchmarks of client/vector have some of that
//   - clusters: the server that it starts is one, and against a target with several addresses nothing is compared
package main
