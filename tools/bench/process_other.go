//go:build !linux

package main

import (
	"errors"
	"time"
)

var errNoProc = errors.New("there is no /proc on this system")

func processCPU(int) (time.Duration, error)           { return 0, errNoProc }
func processMemory(int) (now, peak uint64, err error) { return 0, 0, errNoProc }
func loadAverage() (float64, error)                   { return 0, errNoProc }
func processorModel() string                          { return "" }
