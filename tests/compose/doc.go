// Package compose brings the stack of compose/ up with docker compose and asks the running servers whether it keeps its promises.
//
// Each test has a stack of its own, under a project name of its own and on free ports of 127.0.0.1, and removes it with its volumes
// at the end. The tests need Docker with compose and the image of Qdrant (TestMonitoring: of Prometheus too), pull nothing, and skip
// with the command that helps where one is missing. They have the build tag compose; those of this package without the tag only read
// files.
package compose
