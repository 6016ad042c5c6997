package client

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"cosmossdk.io/math"
	sdk "github.com/cosmos/cosmos-sdk/types"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/client/gateway"
)

func price(denom, amount string) sdk.DecCoin {
	return sdk.DecCoin{Denom: denom, Amount: math.LegacyMustNewDecFromStr(amount)}
}

func TestCoins(t *testing.T) {
	for _, c := range []struct{ denom, amount, want string }{
		{"uact", "0", "0.00 ACT"}, {"uact", "5000000", "5.00 ACT"}, {"uact", "500000", "0.500 ACT"}, {"uact", "499998", "0.500 ACT"},
		{"uakt", "1234567", "1.23 AKT"}, {"uakt", "1235000", "1.24 AKT"}, {"uact", "1", "0.000001 ACT"}, {"uact", "0.4", "0.000000 ACT"},
		{"uact", "-2500000", "-2.50 ACT"}, {"uact", "999999", "1.000 ACT"}, {"foo", "12.5", "12.50 foo"}, {"u", "1", "1.00 u"},
		{"uact", "123456789000000", "123456789.00 ACT"},
	} {
		if got := Coins(price(c.denom, c.amount)); got != c.want {
			t.Errorf("%s%s: %s, want %s", c.amount, c.denom, got, c.want)
		}
	}
	// 438,000 blocks of 6 s make a month.
	if got := PerMonth(price("uact", "10"), 6*time.Second); got != "4.38 ACT" {
		t.Error(got)
	}
	if got := PerMonth(price("uact", "10"), 0); got != "?" {
		t.Error(got)
	}
	// The dearest price there can be overflows nothing.
	if got := PerMonth(price("uact", "10000000"), 500*time.Millisecond); got != "52560000.00 ACT" {
		t.Error(got)
	}
}

func TestEndpointsOfNode(t *testing.T) {
	for _, c := range []struct {
		node, grpc, rpc, target string
		secure, bad             bool
	}{
		{node: "http://127.0.0.1:26657", rpc: "http://127.0.0.1:26657", target: "127.0.0.1:9090"},
		{node: "tcp://h:1", grpc: "g:2", rpc: "http://h:1", target: "g:2"},
		{node: "https://h", grpc: "https://g", rpc: "https://h:443", target: "g:443", secure: true},
		{node: "http://h", grpc: "g:443", rpc: "http://h:80", target: "g:443", secure: true},
		{node: "http://[::1]:1", rpc: "http://[::1]:1", target: "[::1]:9090"},
		{node: "h:1", bad: true}, {node: "ftp://h", bad: true}, {node: "http://h", grpc: "nonsense", bad: true},
	} {
		rpc, target, creds, err := endpoints(c.node, c.grpc)
		if c.bad != (err != nil) {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if !c.bad && (rpc != c.rpc || target != c.target || (creds.Info().SecurityProtocol == "tls") != c.secure) {
			t.Errorf("%+v: %s %s %s", c, rpc, target, creds.Info().SecurityProtocol)
		}
	}
}

func TestEndpoints(t *testing.T) {
	st := gateway.LeaseStatus{
		Services:       map[string]gateway.ServiceStatus{"web": {URIs: []string{"a.localhost", "b.example.com:8080"}}, "db": {}},
		ForwardedPorts: map[string][]gateway.ForwardedPort{"db": {{Host: "h", Port: 5432, ExternalPort: 30001, Proto: "TCP"}}},
		IPs:            map[string][]gateway.LeasedIP{"web": {{IP: "203.0.113.5", ExternalPort: 53, Protocol: "UDP"}}},
	}
	urls, ports := Endpoints(st, "3080")
	if len(urls) != 2 || urls[0] != (Endpoint{"web", "http://a.localhost:3080"}) || urls[1].Address != "http://b.example.com:8080" {
		t.Errorf("%v", urls)
	}
	if len(ports) != 2 || ports[0].Address != "h:30001/tcp" || ports[1].Address != "203.0.113.5:53/udp" {
		t.Errorf("%v", ports)
	}
	if urls, _ := Endpoints(st, "80"); urls[0].Address != "http://a.localhost" {
		t.Errorf("%v", urls)
	}
}

func TestSortBids(t *testing.T) {
	bid := func(p, amount string, at int64) marketv1beta5.Bid {
		return marketv1beta5.Bid{ID: marketv1.BidID{Provider: p}, Price: price("uact", amount), CreatedAt: at}
	}
	list := []marketv1beta5.Bid{bid("d", "3", 1), bid("c", "1", 9), bid("b", "1", 8), bid("a", "1", 9)}
	sortBids(list)
	var order string
	for _, b := range list {
		order += b.ID.Provider
	}
	if order != "bacd" {
		t.Error(order)
	}
}

func TestDeployErrors(t *testing.T) {
	for want, e := range map[string]*DeployError{
		"no; nothing was created": {Err: errors.New("no")},
		"stopped; deployment 7 was closed and the rest of its deposit returned":                {Err: context.Canceled, DSeq: 7, Closed: true},
		"no; deployment 7 couldn't be closed (down): close it with `akash close 7`":            {Err: errors.New("no"), DSeq: 7, CloseErr: errors.New("down")},
		"no; deployment 7 is still open: close it with `akash close 7`":                        {Err: errors.New("no"), DSeq: 7},
		"no provider made a bid; deployment 7 was closed and the rest of its deposit returned": {Err: ErrNoBids, DSeq: 7, Closed: true},
	} {
		if e.Error() != want {
			t.Errorf("got  %s\nwant %s", e, want)
		}
	}
}

func TestDeployedJSON(t *testing.T) {
	d := &Deployed{Owner: "o", DSeq: 7, Total: 1500 * time.Millisecond, Timings: []Timing{{StepBid, time.Second}},
		Leases: []DeployedLease{{Group: "g", Provider: "p", Price: price("uact", "1")}}, URLs: []Endpoint{{"web", "http://x"}}}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"dseq":7`, `"seconds":{"bid":1,"total":1.5}`, `"urls":[{"service":"web","url":"http://x"}]`, `"ports":[]`, `"provider":"p"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}

func TestDialLocalhost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"localhost", "lease.localhost", "A.B.LOCALHOST."} {
		c, err := Dial(t.Context(), "tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		c.Close()
	}
	if gateway.IsLocalhost("notlocalhost") || gateway.IsLocalhost("localhost.example.com") {
		t.Error("a foreign name passes for this machine")
	}
}

// TestEncoding packs each of our messages and finds its signer, as the chain will.
func TestEncoding(t *testing.T) {
	enc := NewEncoding()
	tenant, seller := sdk.AccAddress("tenant for the test.").String(), sdk.AccAddress("seller for the test.").String()
	id := deploymentv1.DeploymentID{Owner: tenant, DSeq: 7}
	bid := marketv1.BidID{Owner: tenant, DSeq: 7, GSeq: 1, OSeq: 1, Provider: seller}
	for _, c := range []struct {
		msg    sdk.Msg
		signer string
	}{
		{&deploymentv1beta4.MsgCreateDeployment{ID: id}, tenant}, {&deploymentv1beta4.MsgUpdateDeployment{ID: id}, tenant}, {&deploymentv1beta4.MsgCloseDeployment{ID: id}, tenant},
		{&deploymentv1beta4.MsgPauseGroup{ID: deploymentv1.MakeGroupID(id, 1)}, tenant}, {&marketv1beta5.MsgCreateBid{ID: bid}, seller}, {&marketv1beta5.MsgCloseBid{ID: bid}, seller},
		{&marketv1beta5.MsgCreateLease{BidID: bid}, tenant}, {&marketv1beta5.MsgCloseLease{ID: bid.LeaseID()}, tenant}, {&marketv1beta5.MsgWithdrawLease{ID: bid.LeaseID()}, seller},
		{&marketv1beta5.MsgLeaseStartReclaim{ID: bid.LeaseID()}, seller},
	} {
		b := enc.TxConfig.NewTxBuilder()
		if err := b.SetMsgs(c.msg); err != nil {
			t.Errorf("%T: %v", c.msg, err)
			continue
		}
		raw, err := enc.TxConfig.TxEncoder()(b.GetTx())
		if err != nil {
			t.Errorf("%T: %v", c.msg, err)
			continue
		}
		signers, err := b.GetTx().GetSigners()
		if err != nil || len(signers) != 1 || sdk.AccAddress(signers[0]).String() != c.signer {
			t.Errorf("%T: signers %v, %v", c.msg, signers, err)
		}
		if _, err := enc.TxConfig.TxDecoder()(raw); err != nil {
			t.Errorf("%T: %v", c.msg, err)
		}
	}
	b := enc.TxConfig.NewTxBuilder()
	bad := &deploymentv1beta4.MsgCloseDeployment{ID: deploymentv1.DeploymentID{Owner: "cosmos1nonsense", DSeq: 7}}
	if err := b.SetMsgs(bad); err == nil {
		if _, err := b.GetTx().GetSigners(); err == nil {
			t.Error("a foreign address signs")
		}
	}
}
