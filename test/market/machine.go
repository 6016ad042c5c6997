package market

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// Traces is what the machine has of the kinds that a lease makes: network devices, network namespaces,
// mounts, packet filter rules and sandbox processes. Two of them are compared as text.
type Traces map[string][]string

// Machine looks at the machine. Only what belongs to home, or could, is in it: a mount or process
// must name the folder (or its tag), while devices, namespaces and rules are all looked at.
func Machine(home string) Traces {
	tr := Traces{}
	add := func(kind, what string) { tr[kind] = append(tr[kind], what) }
	links, _ := filepath.Glob("/sys/class/net/*")
	for _, l := range links {
		add("device", filepath.Base(l))
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, line := range strings.Split(string(mounts), "\n") {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		if strings.Contains(line, " nsfs ") || strings.HasPrefix(f[4], home) || strings.HasPrefix(f[4], "/run/akash") {
			add("mount", f[4])
		}
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs {
		b, _ := os.ReadFile(p)
		args := strings.Split(string(b), "\x00")
		switch base := filepath.Base(args[0]); {
		case strings.HasPrefix(base, "runsc"), base == "containerd-shim-runc-v2":
			add("sandbox", base+" (pid "+strings.Split(p, "/")[2]+")")
		}
	}
	if out, err := exec.Command("nft", "list", "ruleset").Output(); err == nil {
		// Counters and what sets learned from traffic change by themselves.
		for _, line := range strings.Split(nftNoise.ReplaceAllString(string(out), ""), "\n") {
			if line = strings.TrimSpace(line); line != "" && line != "}" {
				add("rule", line)
			}
		}
	}
	for kind := range tr {
		sort.Strings(tr[kind])
	}
	return tr
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

// Sandboxes are the tenants' sandbox processes of this machine: pid → when it started, in clock ticks
// since boot. A container that never stopped keeps both.
func Sandboxes() map[int]string {
	out := map[int]string{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, s := range stats {
		b, err := os.ReadFile(s)
		if err != nil {
			continue
		}
		text := string(b)
		end := strings.LastIndexByte(text, ')')
		begin := strings.IndexByte(text, '(')
		if begin < 0 || end < 0 || text[begin+1:end] != "exe" && !strings.HasPrefix(text[begin+1:end], "runsc") {
			continue
		}
		cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(s), "cmdline"))
		if !strings.HasPrefix(string(cmd), "runsc-sandbox\x00") {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(strings.Split(s, "/")[2], &pid); err != nil {
			continue
		}
		if f := strings.Fields(text[end+1:]); len(f) > 19 {
			out[pid] = f[19] // starttime, field 22
		}
	}
	return out
}
