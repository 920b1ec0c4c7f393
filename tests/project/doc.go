// Package project holds the project's own files to each other: the workflows to the Makefile, README's table of versions to what is tested,
// and what the binaries import to the rules of .golangci.yml.
package project
