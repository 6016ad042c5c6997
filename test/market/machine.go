package market

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// Traces is what the machine has of the kinds that leases make: network devices, network namespaces,
// mounts, packet filter rules and sandbox processes.
type Traces map[string][]string

// Tag is what names the things that the provider of a market's home makes outside of it.
func Tag(home string) string {
	if real, err := filepath.EvalSymlinks(home); err == nil {
		home = real
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(home+"/provider/runtime")))[:5]
}

// Machine lists what the machine has of a home's. Other markets may be on it.
func Machine(home string) Traces {
	tag, tr := Tag(home), Traces{}
	add := func(kind, what string) { tr[kind] = append(tr[kind], what) }
	links, _ := filepath.Glob("/sys/class/net/ak" + tag + "*")
	for _, l := range links {
		add("device", filepath.Base(l))
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, line := range strings.Split(string(mounts), "\n") {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.HasPrefix(f[4], home+"/") && !strings.HasPrefix(f[4], "/run/akash-"+tag) {
			continue
		}
		// runsc keeps one empty network namespace for all its sandboxes, from the first on.
		if filepath.Base(f[4]) != "null-netns" {
			add("mount", f[4])
		}
	}
	for pid, line := range processes() {
		if strings.Contains(line, "/run/akash-"+tag) && !strings.Contains(line, "containerd --config") {
			add("process", fmt.Sprintf("%d %.60s", pid, line))
		}
	}
	if out, err := exec.Command("nft", "list", "table", "inet", "akash_"+tag).Output(); err == nil {
		// Counters, and what sets learned from traffic, change by themselves.
		for _, line := range strings.Split(nftNoise.ReplaceAllString(string(out), ""), "\n") {
			if line = strings.TrimSpace(line); line != "" && line != "}" {
				add("rule", line)
			}
		}
	}
	return tr
}

// processes are the command lines of all processes, by pid.
func processes() map[int]string {
	out := map[int]string{}
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		line, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		if pid, err := strconv.Atoi(filepath.Base(p)); err == nil && len(line) > 0 {
			out[pid] = strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return out
}

var nftNoise = regexp.MustCompile(`(?s)packets \d+ bytes \d+|flags dynamic[^}]*?elements = \{[^}]*\}| # handle \d+|expires \S+`)

// Since lists what is there that wasn't in before; empty when nothing is left.
func (now Traces) Since(before Traces) []string {
	var left []string
	for kind, list := range now {
		had := map[string]int{}
		for _, w := range before[kind] {
			had[w]++
		}
		for _, w := range list {
			if had[w]--; had[w] < 0 {
				left = append(left, fmt.Sprintf("%s %s", kind, w))
			}
		}
	}
	sort.Strings(left)
	return left
}

// Sandboxes are the tenants' sandboxes of a home's provider: pid → when it started, in clock ticks
// since boot. A container that never stopped keeps both.
func Sandboxes(home string) map[int]string {
	out := map[int]string{}
	for pid, line := range processes() {
		if !strings.HasPrefix(line, "runsc-sandbox ") || !strings.Contains(line, "/run/akash-"+Tag(home)) {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		if f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])); len(f) > 19 {
			out[pid] = f[19] // field 22
		}
	}
	return out
}
