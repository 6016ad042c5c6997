package provider_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"cosmossdk.io/errors"
	"google.golang.org/grpc/codes"

	"github.com/cosmos/cosmos-sdk/runtime"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/testutil"
	sdk "github.com/cosmos/cosmos-sdk/types"
	moduletestutil "github.com/cosmos/cosmos-sdk/types/module/testutil"
	"github.com/cosmos/cosmos-sdk/types/query"

	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	v1beta4 "github.com/akash-supercloud/akash/api/akash/provider/v1beta4"
	"github.com/akash-supercloud/akash/x/provider"
)

func setup(t *testing.T) (sdk.Context, *provider.Keeper, provider.AppModule, moduletestutil.TestEncodingConfig) {
	t.Helper()
	key := storetypes.NewKVStoreKey(provider.StoreKey)
	ctx := testutil.DefaultContextWithDB(t, key, storetypes.NewTransientStoreKey("t")).Ctx
	enc := moduletestutil.MakeTestEncodingConfig()
	k := provider.NewKeeper(enc.Codec, runtime.NewKVStoreService(key))
	return ctx, k, provider.NewAppModule(k), enc
}

func address(n byte) string { return sdk.AccAddress(bytes.Repeat([]byte{n}, 20)).String() }

func create(n byte) *v1beta4.MsgCreateProvider {
	return &v1beta4.MsgCreateProvider{Owner: address(n), HostURI: fmt.Sprintf("https://p%d.localhost:8443", n),
		Attributes: []attributesv1.Attribute{{Key: "region", Value: "us-west"}}, Info: v1beta4.Info{EMail: "a@b.invalid", Website: "b.invalid"}}
}

// busy tells which providers have leases.
type busy map[string]bool

func (b busy) HasActiveLeases(_ context.Context, p sdk.AccAddress) (bool, error) {
	return b[p.String()], nil
}

func TestLife(t *testing.T) {
	ctx, k, _, _ := setup(t)
	leases := busy{address(1): true}
	srv, q := provider.NewMsgServer(k), provider.NewQueryServer(k)
	if _, err := srv.CreateProvider(ctx, create(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := srv.CreateProvider(ctx, create(1)); !errors.IsOf(err, provider.ErrProviderExists) {
		t.Errorf("again: %v", err)
	}
	capitals := create(1)
	capitals.Owner = strings.ToUpper(capitals.Owner)
	if _, err := srv.CreateProvider(ctx, capitals); !errors.IsOf(err, provider.ErrProviderExists) {
		t.Errorf("again in capitals: %v", err)
	}
	update := v1beta4.MsgUpdateProvider(*create(1))
	update.HostURI, update.Attributes = "https://moved.localhost", nil
	if _, err := srv.UpdateProvider(ctx, &update); err != nil {
		t.Fatal(err)
	}
	got, err := q.Provider(ctx, &v1beta4.QueryProviderRequest{Owner: address(1)})
	if err != nil || got.Provider.HostURI != "https://moved.localhost" || len(got.Provider.Attributes) != 0 {
		t.Errorf("after an update: %v %v", got, err)
	}
	missing := v1beta4.MsgUpdateProvider(*create(2))
	if _, err := srv.UpdateProvider(ctx, &missing); !errors.IsOf(err, provider.ErrProviderNotFound) {
		t.Errorf("update of none: %v", err)
	}
	if _, err := srv.DeleteProvider(ctx, &v1beta4.MsgDeleteProvider{Owner: address(1)}); err == nil {
		t.Error("deleted though nobody knows of leases")
	}
	k.SetLeases(leases)
	if _, err := srv.DeleteProvider(ctx, &v1beta4.MsgDeleteProvider{Owner: address(1)}); !errors.IsOf(err, provider.ErrActiveLeases) {
		t.Errorf("delete with leases: %v", err)
	}
	delete(leases, address(1))
	ctx = ctx.WithEventManager(sdk.NewEventManager())
	if _, err := srv.DeleteProvider(ctx, &v1beta4.MsgDeleteProvider{Owner: address(1)}); err != nil {
		t.Fatal(err)
	}
	if e := ctx.EventManager().Events(); len(e) != 1 || e[0].Type != "akash.provider.v1beta4.EventProviderDeleted" || e[0].Attributes[0].Value != `"`+address(1)+`"` {
		t.Errorf("events: %v", e)
	}
	if _, err := q.Provider(ctx, &v1beta4.QueryProviderRequest{Owner: address(1)}); !errors.IsOf(err, provider.ErrProviderNotFound) {
		t.Errorf("a deleted one: %v", err)
	}
	if _, err := srv.DeleteProvider(ctx, &v1beta4.MsgDeleteProvider{Owner: address(1)}); !errors.IsOf(err, provider.ErrProviderNotFound) {
		t.Errorf("delete again: %v", err)
	}
	if c := provider.ErrProviderNotFound.GRPCStatus().Code(); c != codes.NotFound {
		t.Errorf("gRPC code %s", c)
	}
}

func TestRefusals(t *testing.T) {
	ctx, k, _, _ := setup(t)
	srv := provider.NewMsgServer(k)
	for name, c := range map[string]struct {
		spoil func(*v1beta4.MsgCreateProvider)
		want  *errors.Error
	}{
		"owner":       {func(m *v1beta4.MsgCreateProvider) { m.Owner = "me" }, provider.ErrInvalidAddress},
		"no uri":      {func(m *v1beta4.MsgCreateProvider) { m.HostURI = "" }, provider.ErrNotAbsProviderURI},
		"relative":    {func(m *v1beta4.MsgCreateProvider) { m.HostURI = "//host" }, provider.ErrNotAbsProviderURI},
		"http":        {func(m *v1beta4.MsgCreateProvider) { m.HostURI = "http://host" }, provider.ErrInvalidProviderURI},
		"no host":     {func(m *v1beta4.MsgCreateProvider) { m.HostURI = "https:foo" }, provider.ErrInvalidProviderURI},
		"path":        {func(m *v1beta4.MsgCreateProvider) { m.HostURI = "https://host/" }, provider.ErrInvalidProviderURI},
		"not a uri":   {func(m *v1beta4.MsgCreateProvider) { m.HostURI = "https://ho st\x00" }, provider.ErrInvalidProviderURI},
		"long":        {func(m *v1beta4.MsgCreateProvider) { m.HostURI = "https://" + strings.Repeat("a", 600) }, provider.ErrInvalidProviderURI},
		"website":     {func(m *v1beta4.MsgCreateProvider) { m.Info.Website = "\x7f" }, provider.ErrInvalidInfoWebsite},
		"key":         {func(m *v1beta4.MsgCreateProvider) { m.Attributes[0].Key = "1a" }, provider.ErrAttributes},
		"short key":   {func(m *v1beta4.MsgCreateProvider) { m.Attributes[0].Key = "a" }, provider.ErrAttributes},
		"glob":        {func(m *v1beta4.MsgCreateProvider) { m.Attributes[0].Key = "region*" }, provider.ErrAttributes},
		"twice":       {func(m *v1beta4.MsgCreateProvider) { m.Attributes = append(m.Attributes, m.Attributes[0]) }, provider.ErrAttributes},
		"large value": {func(m *v1beta4.MsgCreateProvider) { m.Attributes[0].Value = strings.Repeat("x", 513) }, provider.ErrAttributes},
		"many":        {func(m *v1beta4.MsgCreateProvider) { m.Attributes = make([]attributesv1.Attribute, 513) }, provider.ErrAttributes},
	} {
		msg := create(1)
		c.spoil(msg)
		if _, err := srv.CreateProvider(ctx, msg); !errors.IsOf(err, c.want) {
			t.Errorf("create, %s: %v, want %v", name, err, c.want)
		}
		update := v1beta4.MsgUpdateProvider(*msg)
		if _, err := srv.UpdateProvider(ctx, &update); !errors.IsOf(err, c.want) {
			t.Errorf("update, %s: %v, want %v", name, err, c.want)
		}
	}
}

func TestListAndGenesis(t *testing.T) {
	ctx, k, m, enc := setup(t)
	srv, q := provider.NewMsgServer(k), provider.NewQueryServer(k)
	for n := range byte(12) {
		if _, err := srv.CreateProvider(ctx, create(n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, reverse := range []bool{false, true} {
		var seen []string
		for page := (&query.PageRequest{Limit: 5, Reverse: reverse}); ; {
			res, err := q.Providers(ctx, &v1beta4.QueryProvidersRequest{Pagination: page})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range res.Providers {
				seen = append(seen, p.Owner)
			}
			if len(res.Pagination.NextKey) == 0 {
				break
			}
			page = &query.PageRequest{Limit: 5, Key: res.Pagination.NextKey}
		}
		for i := range 12 {
			want := address(byte(i))
			if reverse {
				want = address(byte(11 - i))
			}
			if len(seen) != 12 || seen[i] != want {
				t.Fatalf("reverse %v: %v", reverse, seen)
			}
		}
	}
	if _, err := q.Providers(ctx, &v1beta4.QueryProvidersRequest{Pagination: &query.PageRequest{Key: []byte("not one of ours")}}); err == nil {
		t.Error("a foreign page key was taken")
	}

	out := m.ExportGenesis(ctx, enc.Codec)
	if err := m.ValidateGenesis(enc.Codec, nil, out); err != nil {
		t.Fatal(err)
	}
	ctx2, _, m2, _ := setup(t)
	m2.InitGenesis(ctx2, enc.Codec, out)
	if again := m2.ExportGenesis(ctx2, enc.Codec); !bytes.Equal(out, again) {
		t.Errorf("the genesis changed on its way through the store:\n%s\n%s", out, again)
	}
	double := bytes.Replace(out, []byte(address(1)), []byte(address(2)), 1)
	if err := m.ValidateGenesis(enc.Codec, nil, double); err == nil {
		t.Error("a genesis with a provider twice passed")
	}
}
