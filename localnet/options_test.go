package localnet

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/akash-supercloud/akash/internal/freeport"
)

func address(n byte) string {
	return sdk.MustBech32ifyAddressBytes("akash", append(make([]byte, 19), n))
}

func TestAccounts(t *testing.T) {
	a, b := address(1), address(2)
	for _, c := range []struct {
		name, file string
		fund       []string
		want       int
		problem    string
	}{
		{name: "none"},
		{name: "both", fund: []string{a + "=5uakt"}, file: "# people\n\n" + b + ",7uakt,9uact # the second\n", want: 2},
		{name: "no equals sign", fund: []string{a}, problem: "has no ="},
		{name: "foreign address", fund: []string{"cosmos1xyz=5uakt"}, problem: "not an address"},
		{name: "no coins", fund: []string{a + "="}, problem: "are not coins"},
		{name: "nonsense coins", file: a + ",many\n", problem: ":1: \"many\" are not coins"},
		{name: "no comma", file: "\n" + a + " 5uakt\n", problem: ":2: no comma"},
		{name: "twice", fund: []string{a + "=5uakt"}, file: a + ",5uakt\n", problem: "already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Fund: c.fund}
			if c.file != "" {
				o.AccountsFile = filepath.Join(t.TempDir(), "accounts")
				if err := os.WriteFile(o.AccountsFile, []byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := o.accounts()
			if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
				t.Fatalf("error %v, want one about %q", err, c.problem)
			}
			if len(got) != c.want {
				t.Errorf("%d accounts, want %d", len(got), c.want)
			}
		})
	}
}

func TestPorts(t *testing.T) {
	o, err := Options{Home: t.TempDir(), PortOffset: 1000, Ports: Ports{Ingress: 8080}}.normal()
	if err != nil {
		t.Fatal(err)
	}
	if o.Ports.RPC != 27657 || o.Ports.Ingress != 8080 || o.Ports.Registry != 6000 {
		t.Errorf("ports %+v", o.Ports)
	}
	if _, err := (Options{Home: t.TempDir(), Ports: Ports{RPC: 9090}}).normal(); err == nil || !strings.Contains(err.Error(), "--rpc-port and --grpc-port are both 9090") {
		t.Errorf("two parts on a port: %v", err)
	}
	if _, err := (Options{Home: t.TempDir(), Ports: Ports{RPC: 70000}}).normal(); err == nil {
		t.Error("port 70000 was taken for a port")
	}
}

// The error names the port, what it was wanted for, who has it, and what to do.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := Options{Listen: "127.0.0.1"}
	for _, p := range o.Ports.all() {
		free := netip.MustParseAddrPort(freeport.Loopback(t))
		*p.n = int(free.Port())
	}
	o.Ports.REST = l.Addr().(*net.TCPAddr).Port
	err = o.checkPorts()
	if err == nil {
		t.Fatal("a taken port was found free")
	}
	for _, part := range []string{"the node's REST", "localnet.test (pid ", "--rest-port", "--port-offset"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q doesn't say %q", err, part)
		}
	}
}

// Reset must never take a folder for a market's home that isn't one.
func TestIsHome(t *testing.T) {
	dir := t.TempDir()
	if ok, err := isHome(dir); err != nil || !ok {
		t.Errorf("an empty folder: %v %v", ok, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ok, err := isHome(dir); err != nil || ok {
		t.Errorf("a folder of someone's: %v %v", ok, err)
	}
	if err := os.WriteFile(filepath.Join(dir, marker), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ok, err := isHome(dir); err != nil || !ok {
		t.Errorf("a marked folder: %v %v", ok, err)
	}
}
