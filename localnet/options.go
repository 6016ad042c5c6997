package localnet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// ChainID is the local chain's name.
const ChainID = "localakash"

// Ports are where the parts listen. A zero means the default plus Options.PortOffset.
type Ports struct {
	RPC         int // CometBFT's RPC, default 26657
	P2P         int // other validators, default 26656
	GRPC        int // queries and transactions, default 9090
	REST        int // the same over HTTP, default 1317
	Gateway     int // the provider's gateway for tenants, default 8443
	GatewayGRPC int // the same over gRPC, default the one after Gateway
	Ingress     int // tenants' web pages, by host name, default 80
	Registry    int // container images, default 5000
}

// Options say what Up builds. The zero value is a good one.
type Options struct {
	// Home is the folder that holds everything; default ~/.akash/local.
	Home string
	// Listen is the address the parts bind to; default 127.0.0.1. The registry stays on loopback.
	Listen     string
	Ports      Ports
	PortOffset int // added to every default port; 0 to 30000
	// Fund is a list of ADDRESS=COINS, e.g. akash1…=1000000uakt,5000000uact.
	Fund []string
	// AccountsFile has one "address,coins" a line; further commas part coins; # begins a comment.
	AccountsFile string
	// Reset removes what Home holds, containers included, before anything is started.
	Reset bool
	// NoDemo leaves out the example deployment at the end.
	NoDemo bool
	// Examples is the folder with the example programs; default "examples" beside the program.
	Examples string
	// Sandbox is the path of runsc; default bin/runsc beside the program, then the one in PATH.
	Sandbox string
	// Out gets the progress; default standard output.
	Out io.Writer
	// Result, if there is one, gets a Ready or a Stopped as JSON instead of the listing in words.
	Result io.Writer

	onReady func(Ready) // called once all is up; the market is in the background
}

// normal fills the defaults in and refuses what can't be meant.
func (o Options) normal() (Options, error) {
	if o.Home == "" {
		h, err := DefaultHome()
		if err != nil {
			return o, err
		}
		o.Home = h
	}
	abs, err := filepath.Abs(o.Home)
	if err != nil {
		return o, err
	}
	o.Home = abs
	if o.Listen == "" {
		o.Listen = "127.0.0.1"
	}
	if net.ParseIP(o.Listen) == nil {
		return o, fmt.Errorf("--listen %q is not an IP address; use 127.0.0.1, or 0.0.0.0 for all", o.Listen)
	}
	if o.PortOffset < 0 || o.PortOffset > 30000 {
		return o, fmt.Errorf("--port-offset %d is out of range; use 0 to 30000", o.PortOffset)
	}
	used := map[int]string{}
	for _, p := range o.Ports.all() {
		if *p.n == 0 {
			*p.n = p.standard + o.PortOffset
			if p.n == &o.Ports.GatewayGRPC { // clients look for it one above the gateway
				*p.n = o.Ports.Gateway + 1
			}
		}
		if *p.n < 1 || *p.n > 65535 {
			return o, fmt.Errorf("--%s %d is not a port; use 1 to 65535", p.flag, *p.n)
		}
		if other := used[*p.n]; other != "" {
			return o, fmt.Errorf("--%s and --%s are both %d; give each a port of its own", other, p.flag, *p.n)
		}
		used[*p.n] = p.flag
	}
	exe, err := os.Executable()
	if err != nil {
		return o, err
	}
	if o.Examples == "" {
		o.Examples = filepath.Join(filepath.Dir(exe), "examples")
	}
	if o.Sandbox == "" {
		o.Sandbox = filepath.Join(filepath.Dir(exe), "bin", "runsc")
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	return o, nil
}

// DefaultHome is ~/.akash/local.
func DefaultHome() (string, error) {
	h, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("there is no home folder ($HOME is empty); say where with --home")
	}
	return filepath.Join(h, ".akash", "local"), nil
}

type port struct {
	n        *int
	standard int
	flag     string
	what     string
	loopback bool
}

func (p *Ports) all() []port {
	return []port{
		{&p.RPC, 26657, "rpc-port", "the node's RPC", false},
		{&p.P2P, 26656, "p2p-port", "the node's peers", false},
		{&p.GRPC, 9090, "grpc-port", "the node's gRPC", false},
		{&p.REST, 1317, "rest-port", "the node's REST", false},
		{&p.Gateway, 8443, "gateway-port", "the provider's gateway", false},
		{&p.GatewayGRPC, 8444, "gateway-grpc-port", "the provider's gRPC gateway", false},
		{&p.Ingress, 80, "ingress-port", "tenants' web pages", false},
		{&p.Registry, 5000, "registry-port", "the image registry", true},
	}
}

// checkPorts says which port is taken, if one is, and by whom as far as /proc tells.
func (o Options) checkPorts() error {
	for _, p := range o.Ports.all() {
		host := o.Listen
		if p.loopback {
			host = "127.0.0.1"
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(*p.n)))
		if err == nil {
			l.Close()
			continue
		}
		by := ""
		if who := listener(*p.n); who != "" {
			by = " by " + who
		}
		return fmt.Errorf("port %d, wanted for %s, is taken%s; stop that, or choose another with --%s N or all others with --port-offset N", *p.n, p.what, by, p.flag)
	}
	return nil
}

// listener names the process that listens on a TCP port: "nginx (pid 12)", or "" if unknown.
func listener(port int) string {
	inode := ""
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			// sl local_address rem_address st … inode: state 0A is LISTEN.
			field := strings.Fields(s.Text())
			if len(field) > 9 && field[3] == "0A" && strings.HasSuffix(field[1], fmt.Sprintf(":%04X", port)) {
				inode = field[9]
			}
		}
		f.Close()
	}
	if inode == "" {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == "socket:["+inode+"]" {
			pid := strings.Split(fd, "/")[2]
			comm, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(comm)), pid)
		}
	}
	return ""
}

// account is an address and what it is to have.
type account struct {
	address string
	coins   sdk.Coins
}

const maxAccounts = 100_000

// accounts reads Fund and AccountsFile; each error says where.
func (o Options) accounts() ([]account, error) {
	var out []account
	seen := map[string]string{}
	add := func(where, address, coins string) error {
		address = strings.TrimSpace(address)
		if _, err := sdk.GetFromBech32(address, "akash"); err != nil {
			return fmt.Errorf("%s: %q is not an address of this chain: %w", where, address, err)
		}
		c, err := sdk.ParseCoinsNormalized(strings.TrimSpace(coins))
		if err != nil || c.Empty() {
			return fmt.Errorf("%s: %q are not coins; write them as 1000000uakt,5000000uact", where, coins)
		}
		if before := seen[address]; before != "" {
			return fmt.Errorf("%s: %s was given coins at %s already; name each account once", where, address, before)
		}
		if len(out) == maxAccounts {
			return fmt.Errorf("%s: more than %d accounts", where, maxAccounts)
		}
		seen[address] = where
		out = append(out, account{address, c})
		return nil
	}
	for _, f := range o.Fund {
		address, coins, ok := strings.Cut(f, "=")
		if !ok {
			return nil, fmt.Errorf("--fund %q has no =; write ADDRESS=COINS", f)
		}
		if err := add("--fund "+f, address, coins); err != nil {
			return nil, err
		}
	}
	if o.AccountsFile == "" {
		return out, nil
	}
	f, err := os.Open(o.AccountsFile)
	if err != nil {
		return nil, fmt.Errorf("--accounts: %w", err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for line := 1; s.Scan(); line++ {
		text, _, _ := strings.Cut(s.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		where := fmt.Sprintf("%s:%d", o.AccountsFile, line)
		address, coins, ok := strings.Cut(text, ",")
		if !ok {
			return nil, fmt.Errorf("%s: no comma; write address,coins", where)
		}
		if err := add(where, address, coins); err != nil {
			return nil, err
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("--accounts %s: %w", o.AccountsFile, err)
	}
	return out, nil
}
