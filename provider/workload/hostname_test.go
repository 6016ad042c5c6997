package workload

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/provider/state"
)

func leaseID(owner string, dseq uint64) marketv1.LeaseID {
	return marketv1.LeaseID{Owner: owner, DSeq: dseq, GSeq: 1, OSeq: 1, Provider: "akash1p"}
}

func TestHostName(t *testing.T) {
	name := HostName(leaseID("akash1o", 1), "web", "ingress.test")
	// By another implementation: base32hex of uuid5(NAMESPACE_DNS, "akash1o/1/1/1/akash1pweb").
	if name != "maid1l49dp9abf6mi66hf4mm6s.ingress.test" || !madeLabel.MatchString(strings.TrimSuffix(name, ".ingress.test")) {
		t.Errorf("got %s", name)
	}
	if name == HostName(leaseID("akash1o", 1), "db", "ingress.test") || name == HostName(leaseID("akash1o", 2), "web", "ingress.test") ||
		name != HostName(leaseID("akash1o", 1), "web", "ingress.test") {
		t.Error("names aren't one to a service")
	}
}

func group1(hosts ...string) manifestv2.Group {
	return manifestv2.Group{Name: "g", Services: []manifestv2.Service{{
		Name: "web", Image: "x", Count: 1, Resources: resources.Resources{ID: 1},
		Expose: []manifestv2.ServiceExpose{{Port: 80, Proto: "TCP", Global: true, Hosts: hosts}, {Port: 53, Proto: "UDP", Global: true}, {Port: 53, Proto: "TCP", Global: true}},
	}}}
}

// Host names and ports are one lease's at a time, and go on to who waits for them.
func TestClaims(t *testing.T) {
	store, err := state.Open(filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Unix(0, 0)
	m := New(Options{Provider: "akash1p", Store: store, Domain: "ingress.test", PublicHost: "provider.test", BlockedHosts: []string{".bank.test"},
		FirstPort: 30000, LastPort: 30002, Now: func() time.Time { now = now.Add(time.Second); return now }})
	for dseq := uint64(1); dseq <= 4; dseq++ {
		owner := "akash1o"
		if dseq == 4 {
			owner = "akash1other"
		}
		if err := store.Update(func(tx *state.Tx) error { _, err := m.Add(tx, marketv1.Lease{ID: leaseID(owner, dseq)}); return err }); err != nil {
			t.Fatal(err)
		}
	}
	accept := func(owner string, dseq uint64, hosts ...string) error {
		return m.Accept([]Accepted{{leaseID(owner, dseq), group1(hosts...)}}, []byte("h"))
	}
	if err := accept("akash1o", 1, "Shop.test", "a.test"); err != nil {
		t.Fatal(err)
	}
	if err := accept("akash1o", 9); !errors.Is(err, ErrNoLease) {
		t.Errorf("no lease: %v", err)
	}
	for _, h := range []string{"shop.test", "provider.test", HostName(leaseID("akash1o", 1), "web", "ingress.test"), "ingress.test", "bank.test", "my.bank.test"} {
		if err := accept("akash1other", 4, "free.test", h); !errors.Is(err, ErrHost) {
			t.Errorf("%s: %v", h, err)
		}
	}
	owner := func(h string) (has string) {
		_ = store.View(func(tx *state.Tx) error { has = tx.Host(h); return nil })
		return has
	}
	if owner("free.test") != "" {
		t.Error("a refused manifest left a host name behind")
	}
	// The same tenant's other lease waits for the name, and gets it when the first lets go.
	if err := accept("akash1o", 2, "shop.test"); err != nil {
		t.Fatal(err)
	}
	if owner("shop.test") != leaseID("akash1o", 1).String() {
		t.Error("the name was taken from the lease that has it")
	}
	if err := accept("akash1o", 1, "a.test"); err != nil {
		t.Fatal(err)
	}
	if owner("shop.test") != leaseID("akash1o", 2).String() {
		t.Errorf("the name went to %q", owner("shop.test"))
	}
	// Three ports of each protocol: two leases have one each, a third too, a fourth gets none.
	if err := accept("akash1o", 3); err != nil {
		t.Fatal(err)
	}
	if err := accept("akash1other", 4); !errors.Is(err, ErrNoPort) {
		t.Errorf("a fourth port of three: %v", err)
	}
	var ports []state.Port
	_ = store.View(func(tx *state.Tx) (err error) { ports, err = tx.Ports(); return err })
	seen := map[string]bool{}
	for _, p := range ports {
		k := p.Proto + string(rune(p.HostPort))
		if seen[k] || p.HostPort < 30000 || p.HostPort > 30002 {
			t.Errorf("port %+v", p)
		}
		seen[k] = true
	}
	if len(ports) != 6 {
		t.Errorf("%d ports", len(ports))
	}
	// Sending the same manifest again changes nothing.
	var l state.Lease
	_ = accept("akash1o", 3)
	_ = store.View(func(tx *state.Tx) (err error) { l, _, err = tx.Lease(leaseID("akash1o", 3)); return err })
	if l.Generation != 1 {
		t.Errorf("generation %d after the same manifest twice", l.Generation)
	}
}
