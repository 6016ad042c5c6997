package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	depositv1 "github.com/akash-supercloud/akash/api/akash/base/deposit/v1"
	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/client/gateway"
	"github.com/akash-supercloud/akash/client/tx"
	"github.com/akash-supercloud/akash/internal/sleep"
	"github.com/akash-supercloud/akash/manifest"
)

// Spec is what is to be deployed. *sdl.SDL is one.
type Spec interface {
	Groups() []deploymentv1beta4.GroupSpec
	Manifest() manifest.Manifest
	Hash() []byte
	Reclamation() *deploymentv1.DeploymentReclamation
}

// How bids are chosen. Anything else in DeployOptions.Bid is a provider's address.
const (
	BidCheapest = "cheapest"
	BidFirst    = "first"
	BidAsk      = "ask"
)

// DeployOptions for Deploy. Only Spec is required.
type DeployOptions struct {
	Spec Spec
	// From is the key to sign and pay with; empty: Config.From.
	From string
	// Bid is BidCheapest (default), BidFirst, BidAsk (then Choose is needed) or the address of
	// the only provider to take.
	Bid string
	// Choose picks one of the bids on a group, given cheapest first, and returns its index.
	// It is asked once bids have come in; bids that come later aren't shown.
	Choose func(ctx context.Context, group string, bids []Bid) (int, error)
	// Deposit into the deployment's account; zero: the least the chain takes, in the coin the
	// groups are priced in.
	Deposit sdk.Coin
	// Sources the deposit is taken from, in order; default: grants, then the balance.
	Sources []depositv1.Source
	// DSeq is the deployment's number; 0: the height of the last block.
	DSeq uint64
	// BidWait is how long to wait for cheaper bids after the first; 0: one block.
	BidWait time.Duration
	// BidTimeout is how long to wait for the first bid; default 1 min.
	BidTimeout time.Duration
	// ReadyTimeout is how long the services may take to run and answer; default 10 min.
	ReadyTimeout time.Duration
	// Keep leaves the deployment open when something fails after it was created.
	Keep bool
	// Auth with the provider; default AuthJWT.
	Auth AuthType
	// IngressPort is where HTTP of the provider's host names answers; default 80.
	IngressPort string
	// Progress, if set, hears what happens, from one goroutine.
	Progress func(Event)
}

// Step is a part of a deployment's way.
type Step string

// The steps, in order. Their times add up to the whole.
const (
	StepCreate    Step = "create"    // the deployment's transaction
	StepBid       Step = "bid"       // waiting for bids, and choosing
	StepLease     Step = "lease"     // the lease's transaction
	StepManifest  Step = "manifest"  // upload, until the provider took it
	StepContainer Step = "container" // until every service is available
	StepRoute     Step = "route"     // until every URL answers
)

// Event is news for whoever watches a Deploy.
type Event struct {
	Step Step
	// Done is set when the step has ended well, with Took.
	Done bool
	Took time.Duration
	// Text says in one line what goes on.
	Text string
	// Owner and DSeq name the deployment once it is known.
	Owner string
	DSeq  uint64
	// Bids are all open bids, when they changed.
	Bids []Bid
}

// Bid is an offer.
type Bid struct {
	ID       marketv1.BidID
	Price    sdk.DecCoin // a block
	PerMonth string      // Price for people
}

// Timing is how long a step took.
type Timing struct {
	Step Step
	Took time.Duration
}

// DeployedLease is one group's lease.
type DeployedLease struct {
	Group    string
	ID       marketv1.LeaseID
	Provider string
	HostURI  string
	Price    sdk.DecCoin // a block
	PerMonth string
	Status   gateway.LeaseStatus
}

// Endpoint is where a service can be reached: a URL, or host:port/proto.
type Endpoint struct {
	Service string
	Address string
}

// Deployed is a running deployment.
type Deployed struct {
	Owner string
	DSeq  uint64
	// Leases, one a group.
	Leases []DeployedLease
	// PricePerBlock of all leases together, and PerMonth for people.
	PricePerBlock sdk.DecCoins
	PerMonth      string
	BlockTime     time.Duration
	// URLs answer; Ports lead to services that aren't HTTP.
	URLs, Ports []Endpoint
	Timings     []Timing
	Total       time.Duration
}

// DeployError says where a deployment failed and what became of it.
type DeployError struct {
	Step Step
	// Owner and DSeq of the deployment; DSeq is 0 if none was created.
	Owner string
	DSeq  uint64
	// Closed tells that the deployment was closed and what was left of the deposit given back.
	Closed bool
	// CloseErr tells why it couldn't be closed.
	CloseErr error
	Err      error
}

func (e *DeployError) Error() string {
	msg := e.Err.Error()
	if errors.Is(e.Err, context.Canceled) {
		msg = "stopped"
	}
	switch {
	case e.DSeq == 0:
		return msg + "; nothing was created"
	case e.Closed:
		return fmt.Sprintf("%s; deployment %d was closed and the rest of its deposit returned", msg, e.DSeq)
	case e.CloseErr != nil:
		return fmt.Sprintf("%s; deployment %d couldn't be closed (%v): close it with `akash close %d`", msg, e.DSeq, e.CloseErr, e.DSeq)
	}
	return fmt.Sprintf("%s; deployment %d is still open: close it with `akash close %d`", msg, e.DSeq, e.DSeq)
}

func (e *DeployError) Unwrap() error { return e.Err }

// ErrNoBids is wrapped by a DeployError when no provider made an offer in time.
var ErrNoBids = errors.New("no provider made a bid")

// Deploy brings spec to life: it creates the deployment, waits for bids, takes one a group,
// sends the manifest to the chosen providers, and returns when every service is available
// and every URL answers.
//
// If it fails after the deployment was created (ctx's end included), it closes it again, so
// that the deposit comes back, unless opt.Keep. Every error is a *DeployError but those of
// opt itself.
func (c *Client) Deploy(ctx context.Context, opt DeployOptions) (*Deployed, error) {
	if opt.Spec == nil {
		return nil, errors.New("nothing to deploy")
	}
	if opt.Bid == "" {
		opt.Bid = BidCheapest
	}
	if opt.Bid == BidAsk && opt.Choose == nil {
		return nil, errors.New("nobody to ask which bid to take; use cheapest, first or a provider's address")
	}
	if opt.Bid != BidCheapest && opt.Bid != BidFirst && opt.Bid != BidAsk {
		if _, err := sdk.AccAddressFromBech32(opt.Bid); err != nil {
			return nil, fmt.Errorf("bid %q: use %s, %s, %s or the address of a provider", opt.Bid, BidCheapest, BidFirst, BidAsk)
		}
	}
	if opt.BidTimeout <= 0 {
		opt.BidTimeout = time.Minute
	}
	if opt.ReadyTimeout <= 0 {
		opt.ReadyTimeout = 10 * time.Minute
	}
	if len(opt.Sources) == 0 {
		opt.Sources = []depositv1.Source{depositv1.SourceGrant, depositv1.SourceBalance}
	}
	if opt.IngressPort == "" {
		opt.IngressPort = "80"
	}
	owner, err := c.Address(opt.From)
	if err != nil {
		return nil, err
	}
	// Before money moves: can a provider be told who we are? Which one doesn't matter here.
	g, err := c.GatewayAt("https://127.0.0.1:8443", owner.String(), opt.From, opt.Auth)
	if err != nil {
		return nil, err
	}
	g.Close()
	d := &deploy{c: c, opt: opt, out: &Deployed{Owner: owner.String()}, started: time.Now()}
	d.mark = d.started
	if err := d.run(ctx); err != nil {
		return nil, d.failed(ctx, err)
	}
	d.out.Total = time.Since(d.started)
	return d.out, nil
}

type deploy struct {
	c       *Client
	opt     DeployOptions
	out     *Deployed
	step    Step
	started time.Time
	mark    time.Time
	created bool // the deployment exists, or may exist
	poll    time.Duration
}

func (d *deploy) tell(e Event) {
	if d.opt.Progress == nil {
		return
	}
	e.Step, e.Owner = d.step, d.out.Owner
	if d.created {
		e.DSeq = d.out.DSeq
	}
	d.opt.Progress(e)
}

func (d *deploy) begin(step Step, text string) {
	d.step = step
	d.tell(Event{Text: text})
}

func (d *deploy) done(text string) {
	now := time.Now()
	took := now.Sub(d.mark)
	d.mark = now
	d.out.Timings = append(d.out.Timings, Timing{Step: d.step, Took: took})
	d.tell(Event{Done: true, Took: took, Text: text})
}

func (d *deploy) id() deploymentv1.DeploymentID {
	return deploymentv1.DeploymentID{Owner: d.out.Owner, DSeq: d.out.DSeq}
}

func (d *deploy) run(ctx context.Context) error {
	if err := d.create(ctx); err != nil {
		return err
	}
	bids, err := d.bids(ctx)
	if err != nil {
		return err
	}
	if err := d.lease(ctx, bids); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.opt.ReadyTimeout, fmt.Errorf("it isn't ready after %s", d.opt.ReadyTimeout))
	defer cancel()
	return d.start(ctx)
}

// failed cleans up after an error.
func (d *deploy) failed(ctx context.Context, err error) error {
	e := &DeployError{Step: d.step, Owner: d.out.Owner, Err: err}
	if !d.created {
		return e
	}
	e.DSeq = d.out.DSeq
	if d.opt.Keep {
		return e
	}
	d.tell(Event{Text: fmt.Sprintf("closing deployment %d, for the deposit to come back", d.out.DSeq)})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	var unknown *tx.UnknownError
	if d.step == StepCreate && errors.As(err, &unknown) {
		// It was sent; whether it is there shows within a few blocks.
		for {
			if _, err := d.c.Deployment(ctx, d.id()); err == nil {
				break
			} else if errors.Is(err, ErrNotFound) {
				if h, _, herr := d.c.Height(ctx); herr == nil && uint64(h) > unknown.TimeoutHeight {
					e.DSeq = 0
					return e
				}
			}
			if !sleep.For(ctx, 200*time.Millisecond) {
				e.CloseErr = ctx.Err()
				return e
			}
		}
	}
	e.CloseErr = d.c.CloseDeployment(ctx, d.opt.From, d.out.DSeq)
	e.Closed = e.CloseErr == nil
	return e
}

// CloseDeployment closes a deployment of key's account. One that is closed already is no error.
func (c *Client) CloseDeployment(ctx context.Context, key string, dseq uint64) error {
	owner, err := c.Address(key)
	if err != nil {
		return err
	}
	_, err = c.Send(ctx, key, &deploymentv1beta4.MsgCloseDeployment{ID: deploymentv1.DeploymentID{Owner: owner.String(), DSeq: dseq}})
	if errors.Is(err, errDeploymentClosed) {
		return nil
	}
	return err
}

var (
	errDeploymentExists = tx.NewError("deployment", 3, "")
	errDeploymentClosed = tx.NewError("deployment", 5, "")
)

// reason returns why ctx ended, in the words of who ended it.
func reason(ctx context.Context) error { return context.Cause(ctx) }

func (d *deploy) create(ctx context.Context) error {
	d.begin(StepCreate, "creating the deployment")
	groups := d.opt.Spec.Groups()
	if len(groups) == 0 || len(groups[0].Resources) == 0 {
		return errors.New("the deployment has no groups")
	}
	st, err := d.c.rpc.Status(ctx)
	if err != nil {
		return &NodeError{Node: d.c.cfg.Node, Err: err}
	}
	d.out.DSeq = d.opt.DSeq
	if d.out.DSeq == 0 {
		if st.SyncInfo.CatchingUp {
			return errors.New("the node is catching up with the chain; wait until it has, or choose a number with --dseq")
		}
		d.out.DSeq = uint64(max(st.SyncInfo.LatestBlockHeight, 1))
	}
	if d.out.BlockTime, err = d.c.BlockTime(ctx); err != nil {
		return &NodeError{Node: d.c.cfg.Node, Err: err}
	}
	d.poll = min(max(d.out.BlockTime/8, 50*time.Millisecond), time.Second)
	deposit := d.opt.Deposit
	if deposit.IsNil() || deposit.Denom == "" {
		if deposit, err = d.c.MinDeposit(ctx, groups[0].Resources[0].Price.Denom); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		d.created = false
		msg := &deploymentv1beta4.MsgCreateDeployment{
			ID: d.id(), Groups: groups, Hash: d.opt.Spec.Hash(), Reclamation: d.opt.Spec.Reclamation(),
			Deposit: depositv1.Deposit{Amount: deposit, Sources: d.opt.Sources},
		}
		_, err = d.c.Send(ctx, d.opt.From, msg)
		if errors.Is(err, errDeploymentExists) && d.opt.DSeq == 0 && try < 10 {
			d.out.DSeq++ // another deploy of this account in the same block
			continue
		}
		break
	}
	var unknown *tx.UnknownError
	d.created = err == nil || errors.As(err, &unknown)
	if err != nil {
		return err
	}
	d.done(fmt.Sprintf("deployment %d, deposit %s", d.out.DSeq, Coins(sdk.NewDecCoinFromCoin(deposit))))
	return nil
}

// MinDeposit returns the least deposit that the chain takes in a coin.
func (c *Client) MinDeposit(ctx context.Context, denom string) (sdk.Coin, error) {
	res, err := deploymentv1beta4.NewQueryClient(c.conn).Params(ctx, &deploymentv1beta4.QueryParamsRequest{})
	if err != nil {
		return sdk.Coin{}, err
	}
	for _, coin := range res.Params.MinDeposits {
		if coin.Denom == denom {
			return coin, nil
		}
	}
	return sdk.Coin{}, fmt.Errorf("the chain takes no deposits in %s; it takes %s", denom, res.Params.MinDeposits)
}

// bids waits for an offer on each group and chooses. The result is in the groups' order.
func (d *deploy) bids(ctx context.Context) ([]marketv1beta5.Bid, error) {
	d.begin(StepBid, "waiting for bids")
	groups := d.opt.Spec.Groups()
	deadline := time.Now().Add(d.opt.BidTimeout)
	var seen string
	var firstAt time.Time // when every group had a bid
	var firstHeight int64
	providers := -1
	for {
		open, err := d.c.Bids(ctx, d.id())
		if err != nil && ctx.Err() == nil {
			d.tell(Event{Text: "the node doesn't answer: " + root(err).Error()})
		}
		byGroup := make([][]marketv1beta5.Bid, len(groups))
		for _, b := range open {
			if i := int(b.ID.GSeq) - 1; i >= 0 && i < len(groups) && d.wanted(b) {
				byGroup[i] = append(byGroup[i], b)
			}
		}
		have := 0
		for _, list := range byGroup {
			sortBids(list)
			if len(list) > 0 {
				have++
			}
		}
		if now := summary(open); err == nil && now != seen {
			seen = now
			d.tell(Event{Bids: d.forPeople(open), Text: bidsText(len(open), have, len(groups))})
		}
		if have == len(groups) {
			if d.opt.Bid != BidCheapest && d.opt.Bid != BidAsk {
				return d.chosen(byGroup, nil)
			}
			if providers < 0 {
				// Who is registered can't bid twice: once all did, nothing cheaper can come.
				providers = 1 << 30
				if list, err := d.c.Providers(ctx, 100); err == nil && len(list) < 100 {
					providers = len(list)
				}
			}
			enough := true
			for _, list := range byGroup {
				enough = enough && len(list) >= providers
			}
			if firstAt.IsZero() {
				firstAt = time.Now()
				firstHeight, _, _ = d.c.Height(ctx)
			}
			if !enough {
				if d.opt.BidWait > 0 {
					enough = time.Since(firstAt) >= d.opt.BidWait
				} else if h, _, err := d.c.Height(ctx); err == nil {
					enough = h > firstHeight
				}
			}
			if enough {
				return d.chosen(byGroup, d.picker(ctx))
			}
		} else if time.Now().After(deadline) {
			return nil, d.noBids(byGroup)
		}
		if !sleep.For(ctx, d.poll) {
			return nil, reason(ctx)
		}
	}
}

func (d *deploy) wanted(b marketv1beta5.Bid) bool {
	switch d.opt.Bid {
	case BidCheapest, BidFirst, BidAsk:
		return true
	}
	return b.ID.Provider == d.opt.Bid
}

func (d *deploy) picker(ctx context.Context) func(group string, list []marketv1beta5.Bid) (int, error) {
	if d.opt.Bid != BidAsk {
		return nil
	}
	return func(group string, list []marketv1beta5.Bid) (int, error) {
		i, err := d.opt.Choose(ctx, group, d.forPeople(list))
		if err == nil && (i < 0 || i >= len(list)) {
			err = fmt.Errorf("there is no bid %d", i+1)
		}
		return i, err
	}
}

func (d *deploy) chosen(byGroup [][]marketv1beta5.Bid, pick func(string, []marketv1beta5.Bid) (int, error)) ([]marketv1beta5.Bid, error) {
	out := make([]marketv1beta5.Bid, len(byGroup))
	for i, list := range byGroup {
		n := 0
		if d.opt.Bid == BidFirst {
			for j, b := range list {
				if b.CreatedAt < list[n].CreatedAt {
					n = j
				}
			}
		}
		if pick != nil {
			var err error
			if n, err = pick(d.opt.Spec.Groups()[i].Name, list); err != nil {
				return nil, err
			}
		}
		out[i] = list[n]
	}
	var texts []string
	for _, b := range out {
		texts = append(texts, fmt.Sprintf("%s for %s a month", b.ID.Provider, PerMonth(b.Price, d.out.BlockTime)))
	}
	d.done("chose " + strings.Join(texts, ", "))
	return out, nil
}

func (d *deploy) noBids(byGroup [][]marketv1beta5.Bid) error {
	var missing []string
	for i, list := range byGroup {
		if len(list) == 0 {
			missing = append(missing, d.opt.Spec.Groups()[i].Name)
		}
	}
	from := ""
	if !d.wanted(marketv1beta5.Bid{}) {
		from = " by " + d.opt.Bid
	}
	return fmt.Errorf("%w%s for %s within %s; `akash deploy --explain` says why", ErrNoBids, from, strings.Join(missing, ", "), d.opt.BidTimeout)
}

// sortBids puts the cheapest first; of equals the earliest, then by address.
func sortBids(list []marketv1beta5.Bid) {
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if a.Price.Denom == b.Price.Denom && !a.Price.Amount.Equal(b.Price.Amount) {
			return a.Price.Amount.LT(b.Price.Amount)
		}
		if a.CreatedAt != b.CreatedAt {
			return a.CreatedAt < b.CreatedAt
		}
		return a.ID.Provider < b.ID.Provider
	})
}

func summary(list []marketv1beta5.Bid) string {
	ids := make([]string, 0, len(list))
	for _, b := range list {
		ids = append(ids, b.ID.String())
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func (d *deploy) forPeople(list []marketv1beta5.Bid) []Bid {
	list = slices.Clone(list)
	sortBids(list)
	out := make([]Bid, len(list))
	for i, b := range list {
		out[i] = Bid{ID: b.ID, Price: b.Price, PerMonth: PerMonth(b.Price, d.out.BlockTime)}
	}
	return out
}

// lease takes the bids, all in one transaction.
func (d *deploy) lease(ctx context.Context, bids []marketv1beta5.Bid) error {
	d.begin(StepLease, "creating the lease")
	msgs := make([]sdk.Msg, len(bids))
	for i, b := range bids {
		msgs[i] = &marketv1beta5.MsgCreateLease{BidID: b.ID}
	}
	hosts := make(chan error, 1)
	uri := make([]string, len(bids))
	go func() { // meanwhile
		for i, b := range bids {
			p, err := d.c.Provider(ctx, b.ID.Provider)
			if err != nil {
				hosts <- err
				return
			}
			uri[i] = p.HostURI
		}
		hosts <- nil
	}()
	_, err := d.c.Send(ctx, d.opt.From, msgs...)
	herr := <-hosts
	if err != nil {
		return err
	}
	if herr != nil {
		return herr
	}
	groups := d.opt.Spec.Groups()
	for i, b := range bids {
		d.out.Leases = append(d.out.Leases, DeployedLease{
			Group: groups[i].Name, ID: b.ID.LeaseID(), Provider: b.ID.Provider, HostURI: uri[i],
			Price: b.Price, PerMonth: PerMonth(b.Price, d.out.BlockTime),
		})
		d.out.PricePerBlock = d.out.PricePerBlock.Add(b.Price)
	}
	var months []string
	for _, p := range d.out.PricePerBlock {
		months = append(months, PerMonth(p, d.out.BlockTime))
	}
	d.out.PerMonth = strings.Join(months, " + ")
	d.done(d.out.PerMonth + " a month")
	return nil
}

// start sends the manifest and waits until all answers.
func (d *deploy) start(ctx context.Context) error {
	d.begin(StepManifest, "sending the manifest")
	body, err := d.opt.Spec.Manifest().JSON()
	if err != nil {
		return err
	}
	gates := map[string]*gateway.Client{}
	defer func() {
		for _, g := range gates {
			g.Close()
		}
	}()
	for _, l := range d.out.Leases {
		if gates[l.Provider] != nil {
			continue
		}
		g, err := d.c.GatewayAt(l.HostURI, l.Provider, d.opt.From, d.opt.Auth)
		if err != nil {
			return err
		}
		gates[l.Provider] = g
		if err := PutManifest(ctx, g, d.out.DSeq, body, func(text string) { d.tell(Event{Text: text}) }); err != nil {
			return err
		}
	}
	d.done("the provider has the manifest")

	d.begin(StepContainer, "starting the services")
	if err := d.available(ctx, gates); err != nil {
		return err
	}
	d.done("every service is available")

	d.begin(StepRoute, "waiting for the URLs to answer")
	for _, l := range d.out.Leases {
		urls, ports := Endpoints(l.Status, d.opt.IngressPort)
		d.out.URLs = append(d.out.URLs, urls...)
		d.out.Ports = append(d.out.Ports, ports...)
	}
	if err := d.answers(ctx); err != nil {
		return err
	}
	d.done("every URL answers")
	return nil
}

// PutManifest uploads a manifest and goes on trying while the provider can't be reached or
// hasn't seen the lease yet. say, if set, hears about that.
func PutManifest(ctx context.Context, g *gateway.Client, dseq uint64, body []byte, say func(string)) error {
	wait := 50 * time.Millisecond
	for started := time.Now(); ; {
		err := g.PutManifest(ctx, dseq, body)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return reason(ctx)
		}
		var answer *gateway.Error
		if errors.As(err, &answer) && answer.Status != http.StatusNotFound && answer.Status < 500 {
			return err
		}
		if time.Since(started) > 2*time.Minute {
			return err
		}
		if say != nil && time.Since(started) > time.Second {
			say("sending the manifest: " + err.Error())
		}
		if !sleep.For(ctx, wait) {
			return reason(ctx)
		}
		wait = min(wait*3/2, 2*time.Second)
	}
}

func (d *deploy) available(ctx context.Context, gates map[string]*gateway.Client) error {
	wait, last := 40*time.Millisecond, ""
	for started := time.Now(); ; {
		ready, news := true, []string{}
		for i := range d.out.Leases {
			l := &d.out.Leases[i]
			st, err := gates[l.Provider].LeaseStatus(ctx, l.ID)
			if ctx.Err() != nil {
				break
			}
			var answer *gateway.Error
			switch {
			case errors.As(err, &answer) && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusBadRequest):
				return err
			case errors.As(err, &answer) && answer.Status == http.StatusNotFound:
				ready = false
			case err != nil:
				ready = false
				news = append(news, err.Error())
			default:
				l.Status = st
				ready = ready && len(st.Services) > 0
				for _, name := range sortedKeys(st.Services) {
					if s := st.Services[name]; !s.Ready() {
						ready = false
						news = append(news, fmt.Sprintf("%s %d/%d", name, s.Available, s.Total))
					}
				}
				news = append(news, st.Errors...)
			}
		}
		if ready && ctx.Err() == nil {
			return nil
		}
		if text := strings.Join(news, "; "); text != "" && text != last && time.Since(started) > 300*time.Millisecond {
			last = text
			d.tell(Event{Text: "starting the services: " + text})
		}
		if !sleep.For(ctx, wait) {
			err := reason(ctx)
			if last != "" && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%w: %s", err, last)
			}
			return err
		}
		if time.Since(started) > 5*time.Second {
			wait = min(wait*3/2, time.Second)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Endpoints returns where the services of a lease can be reached: URLs of those that speak
// HTTP (a host name without a port answers on ingressPort), and forwarded ports and leased
// addresses of the others.
func Endpoints(st gateway.LeaseStatus, ingressPort string) (urls, ports []Endpoint) {
	for _, name := range sortedKeys(st.Services) {
		for _, host := range st.Services[name].URIs {
			if _, _, err := net.SplitHostPort(host); err != nil && ingressPort != "" && ingressPort != "80" {
				host = net.JoinHostPort(host, ingressPort)
			}
			urls = append(urls, Endpoint{Service: name, Address: "http://" + host})
		}
	}
	for _, name := range sortedKeys(st.ForwardedPorts) {
		for _, p := range st.ForwardedPorts[name] {
			ports = append(ports, Endpoint{Service: name, Address: fmt.Sprintf("%s:%d/%s", p.Host, p.ExternalPort, strings.ToLower(p.Proto))})
		}
	}
	for _, name := range sortedKeys(st.IPs) {
		for _, p := range st.IPs[name] {
			ports = append(ports, Endpoint{Service: name, Address: fmt.Sprintf("%s:%d/%s", p.IP, p.ExternalPort, strings.ToLower(p.Protocol))})
		}
	}
	return urls, ports
}

// answers waits until one URL of each service answers. Names that a tenant chose himself may
// lead elsewhere until he changes his DNS, so the others count.
func (d *deploy) answers(ctx context.Context) error {
	hc := &http.Client{
		Transport:     &http.Transport{DialContext: Dial, DisableKeepAlives: true},
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	pending := map[string][]string{}
	for _, u := range d.out.URLs {
		pending[u.Service] = append(pending[u.Service], u.Address)
	}
	wait := 30 * time.Millisecond
	for started := time.Now(); len(pending) > 0; {
		why := ""
		for _, name := range sortedKeys(pending) {
			for _, u := range pending[name] {
				text, ok := answered(ctx, hc, u, time.Since(started) > 3*time.Second)
				if ok {
					delete(pending, name)
					break
				}
				why = u + ": " + text
			}
		}
		if len(pending) == 0 {
			break
		}
		if time.Since(started) > time.Second {
			d.tell(Event{Text: "waiting for " + why})
			wait = min(wait*3/2, time.Second)
		}
		if !sleep.For(ctx, wait) {
			err := reason(ctx)
			if !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%w: %s", err, why)
			}
			return err
		}
	}
	return nil
}

// answered asks a URL. A 404 may be the provider's own, while it doesn't know the name yet;
// if it stays (late), it is the service's.
func answered(ctx context.Context, hc *http.Client, address string, late bool) (string, bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err.Error(), false
	}
	res, err := hc.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return err.Error(), false
	}
	_, _ = io.CopyN(io.Discard, res.Body, 4096)
	res.Body.Close()
	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return res.Status, false
	case http.StatusNotFound:
		return res.Status, late
	}
	return "", true
}

// MarshalJSON writes what a program wants to know, with seconds as numbers.
func (d *Deployed) MarshalJSON() ([]byte, error) {
	type lease struct {
		Group         string `json:"group"`
		GSeq          uint32 `json:"gseq"`
		OSeq          uint32 `json:"oseq"`
		Provider      string `json:"provider"`
		HostURI       string `json:"host_uri"`
		PricePerBlock string `json:"price_per_block"`
		PricePerMonth string `json:"price_per_month"`
	}
	leases := []lease{}
	for _, l := range d.Leases {
		leases = append(leases, lease{l.Group, l.ID.GSeq, l.ID.OSeq, l.Provider, l.HostURI, l.Price.String(), l.PerMonth})
	}
	timings := map[string]float64{"total": d.Total.Seconds()}
	for _, t := range d.Timings {
		timings[string(t.Step)] = t.Took.Seconds()
	}
	ends := func(list []Endpoint, name string) []map[string]string {
		out := []map[string]string{}
		for _, e := range list {
			out = append(out, map[string]string{"service": e.Service, name: e.Address})
		}
		return out
	}
	provider := ""
	if len(d.Leases) > 0 {
		provider = d.Leases[0].Provider
	}
	return json.Marshal(map[string]any{
		"owner": d.Owner, "dseq": d.DSeq, "provider": provider, "leases": leases,
		"price_per_block": d.PricePerBlock.String(), "price_per_month": d.PerMonth,
		"block_seconds": d.BlockTime.Seconds(),
		"urls":          ends(d.URLs, "url"), "ports": ends(d.Ports, "address"), "seconds": timings,
	})
}

func bidsText(bids, have, groups int) string {
	plural := "s"
	if bids == 1 {
		plural = ""
	}
	if groups == 1 {
		return fmt.Sprintf("%d bid%s", bids, plural)
	}
	return fmt.Sprintf("%d bid%s, on %d of %d groups", bids, plural, have, groups)
}
