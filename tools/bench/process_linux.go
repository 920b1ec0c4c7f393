package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of the times in /proc/PID/stat. It is 100 a second on every Linux that Go runs on (USER_HZ).
const clockTick = 10 * time.Millisecond

// processCPU is the processor time that a process and all its threads have used.
func processCPU(pid int) (time.Duration, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
	}
	return parseStat(content)
}

// parseStat reads utime and stime, the 14th and 15th field. The second is the name in parentheses, which may contain anything.
func parseStat(content []byte) (time.Duration, error) {
	_, rest, found := bytes.Cut(content, []byte(") "))
	for found { // up to the last parenthesis
		_, further, more := bytes.Cut(rest, []byte(") "))
		if !more {
			break
		}
		rest = further
	}
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0, errors.New("reading the processor time of a process: the line is too short")
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the processor time of a process: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// processMemory is the resident memory of a process, in bytes: now, and at its highest.
func processMemory(pid int) (now, peak uint64, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kib, _ := strconv.ParseUint(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			now = kib << 10
		case "VmHWM:":
			peak = kib << 10
		}
	}
	return now, peak, nil
}

// loadAverage is the machine's, over one minute.
func loadAverage() (float64, error) {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, fmt.Errorf("reading the load average: %w", err)
	}
	first, _, _ := strings.Cut(string(content), " ")
	return strconv.ParseFloat(first, 64)
}

// processorModel is what the kernel calls the processor, "" where it does not say.
func processorModel() string {
	content, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
