// Package nobuild does not build.
package nobuild

// Nothing names what is not there.
var Nothing = missing
