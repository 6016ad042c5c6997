package audit_test

import (
	"bytes"
	"strings"
	"testing"

	"cosmossdk.io/errors"

	"github.com/cosmos/cosmos-sdk/runtime"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/testutil"
	sdk "github.com/cosmos/cosmos-sdk/types"
	moduletestutil "github.com/cosmos/cosmos-sdk/types/module/testutil"
	"github.com/cosmos/cosmos-sdk/types/query"

	auditv1 "github.com/akash-supercloud/akash/api/akash/audit/v1"
	attributesv1 "github.com/akash-supercloud/akash/api/akash/base/attributes/v1"
	"github.com/akash-supercloud/akash/x/audit"
)

func setup(t *testing.T) (sdk.Context, *audit.Keeper, audit.AppModule, moduletestutil.TestEncodingConfig) {
	t.Helper()
	key := storetypes.NewKVStoreKey(audit.StoreKey)
	ctx := testutil.DefaultContextWithDB(t, key, storetypes.NewTransientStoreKey("t")).Ctx
	enc := moduletestutil.MakeTestEncodingConfig()
	k := audit.NewKeeper(enc.Codec, runtime.NewKVStoreService(key))
	return ctx, k, audit.NewAppModule(k), enc
}

func raw(n byte) sdk.AccAddress { return bytes.Repeat([]byte{n}, 20) }
func address(n byte) string     { return raw(n).String() }

// attrs reads "key=value key=value".
func attrs(text string) (out []attributesv1.Attribute) {
	for _, one := range strings.Fields(text) {
		k, v, _ := strings.Cut(one, "=")
		out = append(out, attributesv1.Attribute{Key: k, Value: v})
	}
	return out
}

func text(all []attributesv1.Attribute) string {
	var out []string
	for _, a := range all {
		out = append(out, a.Key+"="+a.Value)
	}
	return strings.Join(out, " ")
}

func TestLife(t *testing.T) {
	ctx, k, _, _ := setup(t)
	srv := audit.NewMsgServer(k)
	have := func() string {
		p, ok, err := k.Get(ctx, raw(1), raw(2))
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return "none"
		}
		return text(p.Attributes)
	}
	sign := func(a string) error {
		_, err := srv.SignProviderAttributes(ctx, &auditv1.MsgSignProviderAttributes{Owner: address(1), Auditor: address(2), Attributes: attrs(a)})
		return err
	}
	remove := func(keys ...string) error {
		_, err := srv.DeleteProviderAttributes(ctx, &auditv1.MsgDeleteProviderAttributes{Owner: address(1), Auditor: address(2), Keys: keys})
		return err
	}
	for _, step := range []struct {
		do   func() error
		want *errors.Error
		have string
	}{
		{func() error { return remove() }, audit.ErrProviderNotFound, "none"},
		{func() error { return sign("") }, audit.ErrAttributes, "none"},
		{func() error { return sign("bb=1 aa=1") }, nil, "aa=1 bb=1"},
		{func() error { return sign("cc=3 bb=2") }, nil, "aa=1 bb=2 cc=3"},
		{func() error { return sign("dd=1 dd=2") }, audit.ErrAttributes, "aa=1 bb=2 cc=3"},
		{func() error { return sign("*=1") }, audit.ErrAttributes, "aa=1 bb=2 cc=3"},
		{func() error { return remove("aa", "zz") }, audit.ErrAttributeNotFound, "aa=1 bb=2 cc=3"},
		{func() error { return remove("aa", "aa") }, audit.ErrAttributeNotFound, "aa=1 bb=2 cc=3"},
		{func() error { return remove("bb") }, nil, "aa=1 cc=3"},
		{func() error { return remove("cc", "aa") }, nil, "none"},
		{func() error { return sign("aa=1 bb=1") }, nil, "aa=1 bb=1"},
		{func() error { return remove() }, nil, "none"},
	} {
		err := step.do()
		if step.want == nil && err != nil || step.want != nil && !errors.IsOf(err, step.want) {
			t.Errorf("%v, want %v", err, step.want)
		}
		if got := have(); got != step.have {
			t.Errorf("have %q, want %q", got, step.have)
		}
	}
	for _, msg := range []*auditv1.MsgSignProviderAttributes{{Owner: "x", Auditor: address(2)}, {Owner: address(1), Auditor: "x"}} {
		if _, err := srv.SignProviderAttributes(ctx, msg); !errors.IsOf(err, audit.ErrInvalidAddress) {
			t.Errorf("%+v: %v", msg, err)
		}
	}
}

func TestListsAndGenesis(t *testing.T) {
	ctx, k, m, enc := setup(t)
	for o := range byte(4) {
		for a := range byte(3) {
			if err := k.Sign(ctx, raw(o), raw(100+a), attrs("region=us tier=community")); err != nil {
				t.Fatal(err)
			}
		}
	}
	q := audit.NewQueryServer(k)
	for name, list := range map[string]struct {
		ask  func(*query.PageRequest) (*auditv1.QueryProvidersResponse, error)
		want int
	}{
		"all": {func(p *query.PageRequest) (*auditv1.QueryProvidersResponse, error) {
			return q.AllProvidersAttributes(ctx, &auditv1.QueryAllProvidersAttributesRequest{Pagination: p})
		}, 12},
		"provider": {func(p *query.PageRequest) (*auditv1.QueryProvidersResponse, error) {
			return q.ProviderAttributes(ctx, &auditv1.QueryProviderAttributesRequest{Owner: address(1), Pagination: p})
		}, 3},
		"auditor": {func(p *query.PageRequest) (*auditv1.QueryProvidersResponse, error) {
			return q.AuditorAttributes(ctx, &auditv1.QueryAuditorAttributesRequest{Auditor: address(101), Pagination: p})
		}, 4},
	} {
		for limit := uint64(1); limit < 14; limit++ {
			for _, reverse := range []bool{false, true} {
				seen := map[string]bool{}
				for page, n := (&query.PageRequest{Limit: limit, Reverse: reverse}), 0; n < 20; n++ {
					res, err := list.ask(page)
					if err != nil {
						t.Fatal(err)
					}
					for _, p := range res.Providers {
						if seen[p.Owner+p.Auditor] || text(p.Attributes) != "region=us tier=community" {
							t.Errorf("%s: %+v is there twice or wrong", name, p)
						}
						seen[p.Owner+p.Auditor] = true
					}
					if len(res.Pagination.NextKey) == 0 {
						break
					}
					page = &query.PageRequest{Limit: limit, Key: res.Pagination.NextKey}
				}
				if len(seen) != list.want {
					t.Errorf("%s by %d, reverse %v: %d, want %d", name, limit, reverse, len(seen), list.want)
				}
			}
		}
	}
	one, err := q.ProviderAuditorAttributes(ctx, &auditv1.QueryProviderAuditorRequest{Owner: address(1), Auditor: address(101)})
	if err != nil || len(one.Providers) != 1 || one.Providers[0].Owner != address(1) {
		t.Errorf("one: %v %v", one, err)
	}
	if _, err := q.ProviderAuditorAttributes(ctx, &auditv1.QueryProviderAuditorRequest{Owner: address(1), Auditor: address(1)}); !errors.IsOf(err, audit.ErrProviderNotFound) {
		t.Errorf("none: %v", err)
	}
	if own, err := k.Audited(ctx, raw(1)); err != nil || len(own) != 3 || own[0].Auditor != address(100) {
		t.Errorf("Audited: %v %v", own, err)
	}

	out := m.ExportGenesis(ctx, enc.Codec)
	if err := m.ValidateGenesis(enc.Codec, nil, out); err != nil {
		t.Fatal(err)
	}
	ctx2, _, m2, _ := setup(t)
	m2.InitGenesis(ctx2, enc.Codec, out)
	if again := m2.ExportGenesis(ctx2, enc.Codec); !bytes.Equal(out, again) {
		t.Error("the genesis changed on its way through the store")
	}
	if err := m.ValidateGenesis(enc.Codec, nil, bytes.Replace(out, []byte(address(102)), []byte(address(101)), 1)); err == nil {
		t.Error("a genesis with a record twice passed")
	}
}
