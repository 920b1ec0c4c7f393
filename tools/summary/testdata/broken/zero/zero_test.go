// Package zero has a test file without a test in it.
package zero
