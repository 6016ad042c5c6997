package state

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
)

func TestSurvivesReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "provider.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	spec := deploymentv1beta4.GroupSpec{Name: "g"}
	raw, _ := spec.Marshal()
	price := sdk.NewDecCoinFromDec("uact", math.LegacyMustNewDecFromStr("12.345678"))
	id := marketv1.LeaseID{Owner: "akash1a", DSeq: 7, GSeq: 1, OSeq: 1, Provider: "akash1p"}
	lease := Lease{ID: id, Price: price, Spec: raw, WonAt: time.Unix(5, 6).UTC(), Manifest: []byte(`{"name":"g"}`), Generation: 3, UnhealthyFor: time.Minute, Close: marketv1.LeaseClosedReasonUnstable}
	other := Lease{ID: marketv1.LeaseID{Owner: "akash1a", DSeq: 8, GSeq: 1, OSeq: 1, Provider: "akash1p"}}
	order := Order{ID: id.OrderID(), State: OrderSending, Spec: raw, Price: price, BidAt: time.Unix(9, 0).UTC()}
	port := Port{HostPort: 30001, Lease: id.String(), Service: "web", Port: 8080, External: 8080, Proto: "TCP"}
	err = s.Update(func(tx *Tx) error {
		return errors.Join(tx.SetHeight(42), tx.SetChainID("localakash"), tx.PutLease(lease), tx.PutLease(other), tx.PutOrder(order), tx.PutHost("a.b", id.String()), tx.PutPort(port))
	})
	if err != nil {
		t.Fatal(err)
	}
	// A failed Update leaves nothing behind.
	boom := errors.New("boom")
	if err := s.Update(func(tx *Tx) error { _ = tx.SetHeight(43); return boom }); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.View(func(tx *Tx) error {
		if tx.Height() != 42 || tx.ChainID() != "localakash" || tx.Host("a.b") != id.String() {
			t.Errorf("meta: height %d chain %q host %q", tx.Height(), tx.ChainID(), tx.Host("a.b"))
		}
		got, ok, err := tx.Lease(id)
		if err != nil || !ok || !reflect.DeepEqual(got, lease) {
			t.Errorf("lease: %v %v\n got %+v\nwant %+v", ok, err, got, lease)
		}
		// What isn't there comes back as nothing, not as JSON's null.
		bare, ok, err := tx.Lease(other.ID)
		if err != nil || !ok || len(bare.Manifest) != 0 || bare.Close != 0 {
			t.Errorf("bare lease: %v %v %+v", ok, err, bare)
		}
		o, ok, err := tx.Order(id.OrderID())
		if err != nil || !ok || !reflect.DeepEqual(o, order) {
			t.Errorf("order: %v %v\n got %+v\nwant %+v", ok, err, o, order)
		}
		ports, err := tx.Ports()
		if err != nil || len(ports) != 1 || ports[0] != port {
			t.Errorf("ports: %v %v", ports, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "provider.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
}
