// Package client talks to a chain: it owns the connection, the codec, the keys and the one
// way in which transactions are sent. Everything that isn't the chain itself (provider,
// CLI, localnet) goes through it.
//
// What always holds:
//   - Queries and transactions of one Client go to one chain: New refuses a node whose
//     chain id isn't the wanted one.
//   - No transaction leaves but through client/tx.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	sdkclient "github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"github.com/cosmos/cosmos-sdk/codec"
	addresscodec "github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	"github.com/cosmos/cosmos-sdk/std"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	vestingtypes "github.com/cosmos/cosmos-sdk/x/auth/vesting/types"
	authztypes "github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	evidencetypes "github.com/cosmos/cosmos-sdk/x/evidence/types"
	feegranttypes "github.com/cosmos/cosmos-sdk/x/feegrant"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	govv1beta1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1beta1"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	"github.com/cosmos/cosmos-sdk/x/tx/signing"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/akash-supercloud/akash/api"
	certv1 "github.com/akash-supercloud/akash/api/akash/cert/v1"
	"github.com/akash-supercloud/akash/client/auth"
	"github.com/akash-supercloud/akash/client/tx"
)

// Defaults of Config.
const (
	DefaultNode      = "http://127.0.0.1:26657"
	DefaultGasPrices = "0.025uakt"
	DefaultBackend   = keyring.BackendOS
)

// CoinType is the BIP-44 coin type of account keys.
const CoinType = 118

// Config says which chain to talk to and with which keys.
type Config struct {
	// Node is the RPC URL of a node; default DefaultNode. tcp:// is understood as http://.
	Node string
	// GRPC is the node's gRPC address, host:port, or https://host[:port] for TLS; default: the
	// host of Node with port 9090.
	GRPC string
	// ChainID that the node must have; empty takes the node's.
	ChainID string
	// Home holds keys and certificates; default ~/.akash.
	Home string
	// KeyringBackend is os, file, test or memory; default os. KeyringDir overrides Home for keys.
	KeyringBackend string
	KeyringDir     string
	// From is the name or address of the key that Deploy and the CLI sign with.
	From string
	// GasPrices is what is offered for a unit of gas; default 0.025uakt; "0" offers nothing.
	GasPrices string
	// GasAdjustment multiplies the simulated gas; default 1.3.
	GasAdjustment float64
	// Input is where a keyring's passphrase is read; default os.Stdin.
	Input io.Reader
	// Keyring is used instead of opening one, if set.
	Keyring keyring.Keyring
}

// DefaultHome returns ~/.akash, or .akash in the working folder if there is no home folder.
func DefaultHome() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ".akash"
	}
	return filepath.Join(home, ".akash")
}

// Encoding is the codec of the chain's types.
type Encoding struct {
	Registry codectypes.InterfaceRegistry
	Codec    codec.Codec
	TxConfig sdkclient.TxConfig
	Amino    *codec.LegacyAmino
}

// NewEncoding makes a codec that knows our messages and those of the SDK's modules.
func NewEncoding() Encoding {
	api.ConfigureAddresses()
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: api.Files(),
		SigningOptions: signing.Options{
			AddressCodec:          addresscodec.NewBech32Codec(api.Bech32Prefix),
			ValidatorAddressCodec: addresscodec.NewBech32Codec(api.Bech32Prefix + "valoper"),
			CustomGetSigners:      api.CustomSigners(),
		},
	})
	if err != nil {
		panic(err) // the options are constants
	}
	std.RegisterInterfaces(registry)
	for _, register := range []func(codectypes.InterfaceRegistry){
		authtypes.RegisterInterfaces, vestingtypes.RegisterInterfaces, authztypes.RegisterInterfaces,
		banktypes.RegisterInterfaces, distrtypes.RegisterInterfaces, evidencetypes.RegisterInterfaces,
		feegranttypes.RegisterInterfaces, govv1.RegisterInterfaces, govv1beta1.RegisterInterfaces,
		minttypes.RegisterInterfaces, slashingtypes.RegisterInterfaces, stakingtypes.RegisterInterfaces,
		upgradetypes.RegisterInterfaces, api.RegisterInterfaces,
	} {
		register(registry)
	}
	cdc := codec.NewProtoCodec(registry)
	amino := codec.NewLegacyAmino()
	std.RegisterLegacyAminoCodec(amino)
	return Encoding{Registry: registry, Codec: cdc, TxConfig: api.NewTxConfig(cdc), Amino: amino}
}

// grpcCodec encodes what protoc-gen-gocosmos generated; gRPC's own codec doesn't know its types.
func grpcCodec(registry codectypes.InterfaceRegistry) encoding.Codec {
	return codec.NewProtoCodec(registry).GRPCCodec()
}

// Client is a connection to a chain. Safe for use by many goroutines.
type Client struct {
	cfg     Config
	enc     Encoding
	chainID string
	nodeID  string // as RPC has it; empty if it didn't answer
	keys    keyring.Keyring
	rpc     *rpchttp.HTTP
	conn    *grpc.ClientConn
	sender  *tx.Sender
}

// New connects. It fails if the node can't be asked for its chain id within 10 s, unless
// cfg.ChainID is set: then the node may come up later, and calls fail until it does.
func New(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Node == "" {
		cfg.Node = DefaultNode
	}
	if cfg.Home == "" {
		cfg.Home = DefaultHome()
	}
	if cfg.GasPrices == "" {
		cfg.GasPrices = DefaultGasPrices
	}
	c := &Client{cfg: cfg, enc: NewEncoding(), keys: cfg.Keyring}
	var prices sdk.DecCoins
	if cfg.GasPrices != "0" {
		var err error
		if prices, err = sdk.ParseDecCoins(cfg.GasPrices); err != nil {
			return nil, fmt.Errorf("gas prices %q: %w; write for example %s", cfg.GasPrices, err, DefaultGasPrices)
		}
	}
	node, target, creds, err := endpoints(cfg.Node, cfg.GRPC)
	if err != nil {
		return nil, err
	}
	if c.rpc, err = rpchttp.NewWithTimeout(node, "/websocket", 30); err != nil {
		return nil, fmt.Errorf("node %q: %w", cfg.Node, err)
	}
	if c.keys == nil {
		if c.keys, err = OpenKeyring(cfg, c.enc.Codec); err != nil {
			return nil, err
		}
	}
	c.chainID, err = c.askChainID(ctx)
	switch {
	case err != nil && cfg.ChainID == "":
		return nil, &NodeError{Node: cfg.Node, Err: err}
	case err != nil:
		c.chainID = cfg.ChainID
	case cfg.ChainID != "" && cfg.ChainID != c.chainID:
		return nil, fmt.Errorf("node %s is of chain %q, not %q; use another --node or --chain-id", cfg.Node, c.chainID, cfg.ChainID)
	}
	c.conn, err = grpc.NewClient("passthrough:///"+target,
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(grpcCodec(c.enc.Registry)), grpc.MaxCallRecvMsgSize(32<<20)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return Dial(ctx, "tcp", addr) }),
	)
	if err != nil {
		return nil, fmt.Errorf("gRPC address %q: %w", cfg.GRPC, err)
	}
	if err := c.sameNode(ctx); err != nil {
		_ = c.conn.Close()
		return nil, err
	}
	c.sender = tx.New(tx.Options{
		Chain: tx.NewNode(c.rpc, c.conn), Keyring: c.keys, TxConfig: c.enc.TxConfig, ChainID: c.chainID,
		GasPrices: prices, GasAdjustment: cfg.GasAdjustment,
	})
	return c, nil
}

// sameNode makes sure that a gRPC address that was only guessed is the RPC's own node: on one
// machine another market may have the usual port. A node that doesn't answer is no reason to fail.
func (c *Client) sameNode(ctx context.Context) error {
	if c.cfg.GRPC != "" || c.nodeID == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	res, err := cmtservice.NewServiceClient(c.conn).GetNodeInfo(ctx, &cmtservice.GetNodeInfoRequest{})
	if err != nil || res.DefaultNodeInfo == nil || res.DefaultNodeInfo.DefaultNodeID == c.nodeID {
		return nil
	}
	return fmt.Errorf("gRPC at %s is another node than RPC at %s; name the right one with --grpc", c.conn.CanonicalTarget(), c.cfg.Node)
}

// NodeError says that a node can't be reached.
type NodeError struct {
	Node string
	Err  error
}

func (e *NodeError) Error() string {
	return fmt.Sprintf("no chain answers at %s; start one with `akash up` or name one with --node (%v)", e.Node, root(e.Err))
}

func (e *NodeError) Unwrap() error { return e.Err }

// root returns the innermost error: the outer ones of a failed HTTP call repeat the URL.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func (c *Client) askChainID(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	st, err := c.rpc.Status(ctx)
	if err != nil {
		return "", err
	}
	c.nodeID = string(st.NodeInfo.ID())
	return st.NodeInfo.Network, nil
}

// endpoints works out the RPC URL and the gRPC target and security.
func endpoints(node, target string) (string, string, credentials.TransportCredentials, error) {
	if rest, ok := strings.CutPrefix(node, "tcp://"); ok {
		node = "http://" + rest
	}
	u, err := url.Parse(node)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", "", nil, fmt.Errorf("node %q isn't a URL; write for example %s", node, DefaultNode)
	}
	if u.Port() == "" { // the RPC client wants one
		u.Host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
		node = u.String()
	}
	secure := false
	switch {
	case target == "":
		target = net.JoinHostPort(u.Hostname(), "9090")
	case strings.Contains(target, "://"):
		g, err := url.Parse(target)
		if err != nil || g.Host == "" {
			return "", "", nil, fmt.Errorf("gRPC address %q: write host:port or https://host:port", target)
		}
		secure = g.Scheme == "https"
		target = g.Host
		if g.Port() == "" {
			target = net.JoinHostPort(g.Hostname(), "443")
		}
	default:
		_, port, err := net.SplitHostPort(target)
		if err != nil {
			return "", "", nil, fmt.Errorf("gRPC address %q: write host:port", target)
		}
		secure = port == "443"
	}
	if secure {
		host, _, _ := net.SplitHostPort(target)
		return node, target, credentials.NewTLS(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}), nil
	}
	return node, target, insecure.NewCredentials(), nil
}

// OpenKeyring opens the keys that cfg names.
func OpenKeyring(cfg Config, cdc codec.Codec) (keyring.Keyring, error) {
	api.ConfigureAddresses()
	backend, dir, in := cfg.KeyringBackend, cfg.KeyringDir, cfg.Input
	if backend == "" {
		backend = DefaultBackend
	}
	if dir == "" {
		dir = cfg.Home
	}
	if dir == "" {
		dir = DefaultHome()
	}
	if in == nil {
		in = os.Stdin
	}
	kr, err := keyring.New("akash", backend, dir, in, cdc)
	if err != nil {
		return nil, fmt.Errorf("keyring (%s) in %s: %w", backend, dir, err)
	}
	return kr, nil
}

// Close ends the connection. Transactions already sent stay sent.
func (c *Client) Close() error {
	c.sender.Close()
	return c.conn.Close()
}

// Conn returns the gRPC connection, for generated query clients.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// RPC returns the CometBFT client.
func (c *Client) RPC() *rpchttp.HTTP { return c.rpc }

// Keyring returns the keys.
func (c *Client) Keyring() keyring.Keyring { return c.keys }

// Codec returns the codec of the chain's types.
func (c *Client) Codec() codec.Codec { return c.enc.Codec }

// Encoding returns the codec, registry and transaction format.
func (c *Client) Encoding() Encoding { return c.enc }

// ChainID returns the chain's id.
func (c *Client) ChainID() string { return c.chainID }

// Config returns what New was given, with defaults filled in.
func (c *Client) Config() Config { return c.cfg }

// Send signs msgs with key (a name or an address; empty means Config.From), and returns once
// they are in a block and done. See tx.Sender.Send for what it promises and its errors.
func (c *Client) Send(ctx context.Context, key string, msgs ...sdk.Msg) (*sdk.TxResponse, error) {
	if key == "" {
		key = c.cfg.From
	}
	if key == "" {
		return nil, errors.New("no key to sign with; name one with --from")
	}
	return c.sender.Send(ctx, key, msgs...)
}

// Address returns the address of a key by name or address; empty means Config.From.
func (c *Client) Address(key string) (sdk.AccAddress, error) {
	if key == "" {
		key = c.cfg.From
	}
	if key == "" {
		return nil, errors.New("no key to sign with; name one with --from")
	}
	rec, err := FindKey(c.keys, key)
	if err != nil {
		return nil, err
	}
	return rec.GetAddress()
}

// FindKey finds a key by name or address.
func FindKey(kr keyring.Keyring, key string) (*keyring.Record, error) {
	if rec, err := kr.Key(key); err == nil {
		return rec, nil
	}
	if addr, err := sdk.AccAddressFromBech32(key); err == nil {
		if rec, err := kr.KeyByAddress(addr); err == nil {
			return rec, nil
		}
		return nil, fmt.Errorf("no key of address %s in the keyring; see `akash keys list`", key)
	}
	return nil, fmt.Errorf("no key named %q in the keyring; see `akash keys list`", key)
}

// PubKey returns the public key that the chain holds for an account. The error wraps
// auth.ErrUnknownIssuer for accounts that never signed anything: the chain doesn't know theirs.
func (c *Client) PubKey(ctx context.Context, address string) (cryptotypes.PubKey, error) {
	res, err := authtypes.NewQueryClient(c.conn).AccountInfo(ctx, &authtypes.QueryAccountInfoRequest{Address: address})
	if status.Code(err) == codes.NotFound {
		return nil, fmt.Errorf("account %s: %w", address, auth.ErrUnknownIssuer)
	}
	if err != nil {
		return nil, err
	}
	if res.Info == nil || res.Info.PubKey == nil {
		return nil, fmt.Errorf("account %s never sent a transaction: %w", address, auth.ErrUnknownIssuer)
	}
	var pub cryptotypes.PubKey
	if err := c.enc.Registry.UnpackAny(res.Info.PubKey, &pub); err != nil {
		return nil, err
	}
	return pub, nil
}

// Certificate returns a certificate that the chain holds, and whether it is valid (not
// revoked). An empty certPEM means that there is none. It is auth.VerifyPeer's look-up.
func (c *Client) Certificate(ctx context.Context, owner, serial string) (certPEM []byte, valid bool, err error) {
	res, err := certv1.NewQueryClient(c.conn).Certificates(ctx, &certv1.QueryCertificatesRequest{
		Filter: certv1.CertificateFilter{Owner: owner, Serial: serial},
	})
	if status.Code(err) == codes.NotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, cert := range res.Certificates {
		if cert.Serial == serial {
			return cert.Certificate.Cert, cert.Certificate.State == certv1.CertificateValid, nil
		}
	}
	return nil, false, nil
}

// Height returns the height of the last block and its time.
func (c *Client) Height(ctx context.Context) (int64, time.Time, error) {
	st, err := c.rpc.Status(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	return st.SyncInfo.LatestBlockHeight, st.SyncInfo.LatestBlockTime, nil
}
