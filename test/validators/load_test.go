package validators

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"cosmossdk.io/math"
	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	resources "github.com/akash-supercloud/akash/api/akash/base/resources/v1beta4"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	providerv1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/client"
	"github.com/akash-supercloud/akash/client/tx"
)

// loadTime bounds the load, whatever the test does.
const loadTime = 10 * time.Minute

// load is people who use the chain all the while: each with own keys, at a node of their own.
type load struct {
	keys           keyring.Keyring
	enc            client.Encoding
	addr           map[string]string
	sends, markets atomic.Int64
	cancel         context.CancelFunc
	wg             sync.WaitGroup
	mu             sync.Mutex
	refused        []error
}

// newLoad makes the keys; their addresses get coins at genesis.
func newLoad(w *network, nodes int) *load {
	l := &load{enc: client.NewEncoding(), addr: map[string]string{}}
	l.keys = keyring.NewInMemory(l.enc.Codec)
	names := []string{"provider"}
	for i := range nodes {
		names = append(names, fmt.Sprintf("bank%d", i), fmt.Sprintf("tenant%d", i))
	}
	for _, name := range names {
		k, _, err := l.keys.NewMnemonic(name, keyring.English, sdk.FullFundraiserPath, "", hd.Secp256k1)
		if err != nil {
			w.t.Fatal(err)
		}
		a, err := k.GetAddress()
		if err != nil {
			w.t.Fatal(err)
		}
		l.addr[name] = a.String()
	}
	return l
}

func (l *load) accounts() map[string]string {
	out := map[string]string{}
	for _, a := range l.addr {
		out[a] = "1000000000uact,1000000000000uakt"
	}
	return out
}

// at is a sender that speaks to one node, whatever happens to it.
func (l *load) at(w *network, n *node) (*tx.Sender, error) {
	rpc, err := rpchttp.NewWithClient("http://"+n.rpc, "/websocket", &http.Client{Timeout: 10 * time.Second, Transport: n.web.Transport})
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+n.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(codec.NewProtoCodec(l.enc.Registry).GRPCCodec())),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.5, MaxDelay: time.Second}, MinConnectTimeout: 3 * time.Second}),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return n.dial(ctx, addr) }))
	if err != nil {
		return nil, err
	}
	prices := sdk.NewDecCoins(sdk.NewDecCoinFromDec("uakt", math.LegacyMustNewDecFromStr("0.025")))
	s := tx.New(tx.Options{Chain: tx.NewNode(rpc, conn), Keyring: l.keys, TxConfig: l.enc.TxConfig, ChainID: chainID, GasPrices: prices,
		TimeoutBlocks: 200})
	w.t.Cleanup(func() { s.Close(); _ = conn.Close() })
	return s, nil
}

// run starts the load. What the chain refuses ends up in refused; that a node can't be asked is no fault here.
func (l *load) run(w *network, nodes []*node) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTime)
	l.cancel = cancel
	for i, n := range nodes {
		s, err := l.at(w, n)
		if err != nil {
			w.t.Fatal(err)
		}
		again := func(count *atomic.Int64, f func(round uint64) error) {
			l.wg.Add(1)
			go func() {
				defer l.wg.Done()
				for round := uint64(1); ctx.Err() == nil; round++ {
					err := f(round)
					var refused *tx.Error
					switch {
					case err == nil:
						count.Add(1)
					case errors.As(err, &refused):
						l.mu.Lock()
						l.refused = append(l.refused, fmt.Errorf("%s: %w", n.name, err))
						l.mu.Unlock()
						return
					}
					select {
					case <-ctx.Done():
					case <-time.After(pause / 2):
					}
				}
			}()
		}
		bank, tenant := fmt.Sprintf("bank%d", i), fmt.Sprintf("tenant%d", i)
		again(&l.sends, func(uint64) error {
			_, err := s.Send(ctx, bank, &banktypes.MsgSend{FromAddress: l.addr[bank], ToAddress: l.addr[tenant], Amount: sdk.NewCoins(sdk.NewInt64Coin("uakt", 1))})
			return err
		})
		if i == 0 {
			// The provider's key is used at one node only: whoever signs with it elsewhere would guess sequences.
			made := false
			again(&l.markets, func(round uint64) error {
				if !made {
					if _, err := s.Send(ctx, "provider", &providerv1beta4.MsgCreateProvider{Owner: l.addr["provider"], HostURI: "https://provider.localhost:8443",
						Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}}); err != nil {
						return err
					}
					made = true
				}
				return l.lease(ctx, s, tenant, round)
			})
			continue
		}
		again(&l.markets, func(round uint64) error { return l.deployment(ctx, s, tenant, round) })
	}
}

// stop ends the load and says what it did.
func (l *load) stop(w *network) {
	w.t.Helper()
	l.cancel()
	l.wg.Wait()
	w.t.Logf("load: %d bank sends, %d deployments or leases from begin to end", l.sends.Load(), l.markets.Load())
	for _, err := range l.refused {
		w.t.Errorf("load: the chain refused: %v", err)
	}
	if l.sends.Load() == 0 || l.markets.Load() == 0 {
		w.t.Error("there was no load")
	}
}

func (l *load) create(tenant string, dseq uint64) *deploymentv1beta4.MsgCreateDeployment {
	val := func(n int64) resources.ResourceValue { return resources.ResourceValue{Val: math.NewInt(n)} }
	return &deploymentv1beta4.MsgCreateDeployment{
		ID: deploymentv1.DeploymentID{Owner: l.addr[tenant], DSeq: dseq}, Hash: make([]byte, 32),
		Deposit: depositv1.Deposit{Amount: sdk.NewInt64Coin("uact", 5_000_000), Sources: []depositv1.Source{depositv1.SourceBalance}},
		Groups: []deploymentv1beta4.GroupSpec{{
			Name:         "westcoast",
			Requirements: attributesv1.PlacementRequirements{Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}},
			Resources: []deploymentv1beta4.ResourceUnit{{
				Resources: resources.Resources{
					ID: 1, CPU: &resources.CPU{Units: val(100)}, Memory: &resources.Memory{Quantity: val(128 << 20)}, GPU: &resources.GPU{Units: val(0)},
					Storage:   []resources.Storage{{Name: "default", Quantity: val(512 << 20)}},
					Endpoints: []resources.Endpoint{{Kind: resources.Endpoint_SHARED_HTTP}},
				},
				Count: 1, Price: sdk.NewInt64DecCoin("uact", 100),
			}},
		}},
	}
}

// deployment makes a deployment and closes it.
func (l *load) deployment(ctx context.Context, s *tx.Sender, tenant string, dseq uint64) error {
	create := l.create(tenant, dseq)
	if _, err := s.Send(ctx, tenant, create); err != nil {
		return err
	}
	_, err := s.Send(ctx, tenant, &deploymentv1beta4.MsgCloseDeployment{ID: create.ID})
	return err
}

// lease goes the whole way: deployment, bid, lease, end.
func (l *load) lease(ctx context.Context, s *tx.Sender, tenant string, dseq uint64) error {
	create := l.create(tenant, dseq)
	if _, err := s.Send(ctx, tenant, create); err != nil {
		return err
	}
	bid := marketv1.MakeBidID(marketv1.MakeOrderID(deploymentv1.MakeGroupID(create.ID, 1), 1), l.addr["provider"])
	if _, err := s.Send(ctx, "provider", &marketv1beta5.MsgCreateBid{ID: bid, Price: sdk.NewInt64DecCoin("uact", 7),
		Deposit: depositv1.Deposit{Amount: sdk.NewInt64Coin("uact", 500_000), Sources: []depositv1.Source{depositv1.SourceBalance}}}); err != nil {
		return err
	}
	if _, err := s.Send(ctx, tenant, &marketv1beta5.MsgCreateLease{BidID: bid}); err != nil {
		return err
	}
	_, err := s.Send(ctx, tenant, &deploymentv1beta4.MsgCloseDeployment{ID: create.ID})
	return err
}
