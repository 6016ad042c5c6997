package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"

	"github.com/akash-supercloud/akash/client"
)

// nodePeer is a node that another is connected with.
type nodePeer struct {
	Moniker string `json:"moniker"`
	ID      string `json:"id"`
	Address string `json:"address"`
	Inbound bool   `json:"inbound"`
}

// nodeStatus is what `akash status` says of a node.
type nodeStatus struct {
	Node       string     `json:"node"`
	Moniker    string     `json:"moniker"`
	ID         string     `json:"id"`
	ChainID    string     `json:"chain_id"`
	Version    string     `json:"version"`
	Height     int64      `json:"height"`
	Time       time.Time  `json:"time"`
	Earliest   int64      `json:"earliest_height"`
	AppHash    string     `json:"app_hash"`
	CatchingUp bool       `json:"catching_up"`
	Validator  string     `json:"validator_address"`
	Power      int64      `json:"voting_power"`
	Peers      []nodePeer `json:"peers"`
}

// nodeStatus asks the node that the flags name; RPC alone, so it works while the node still catches up.
func (a *app) nodeStatus(ctx context.Context) error {
	at := a.node
	if at == "" {
		at = client.DefaultNode
	}
	rpc, err := rpchttp.NewWithTimeout(at, "/websocket", 10)
	if err != nil {
		return fmt.Errorf("node %q: %w", at, err)
	}
	st, err := rpc.Status(ctx)
	if err != nil {
		return &client.NodeError{Node: at, Err: err}
	}
	net, err := rpc.NetInfo(ctx)
	if err != nil {
		return &client.NodeError{Node: at, Err: err}
	}
	s := nodeStatus{
		Node: at, Moniker: st.NodeInfo.Moniker, ID: string(st.NodeInfo.DefaultNodeID), ChainID: st.NodeInfo.Network, Version: st.NodeInfo.Version,
		Height: st.SyncInfo.LatestBlockHeight, Time: st.SyncInfo.LatestBlockTime, Earliest: st.SyncInfo.EarliestBlockHeight,
		AppHash: st.SyncInfo.LatestAppHash.String(), CatchingUp: st.SyncInfo.CatchingUp,
		Validator: st.ValidatorInfo.Address.String(), Power: st.ValidatorInfo.VotingPower, Peers: []nodePeer{},
	}
	for _, p := range net.Peers {
		s.Peers = append(s.Peers, nodePeer{
			Moniker: p.NodeInfo.Moniker, ID: string(p.NodeInfo.DefaultNodeID), Address: p.RemoteIP, Inbound: !p.IsOutbound,
		})
	}
	return a.print(s, func() string { return a.nodeText(s, time.Now()) })
}

func (a *app) nodeText(s nodeStatus, now time.Time) string {
	state := a.style.good.Render("up to date")
	age := now.Sub(s.Time).Round(time.Second)
	switch {
	case s.Height == 0 && !s.CatchingUp:
		state = a.style.bad.Render("no block yet") // its time is year 1 or 1970
	case s.CatchingUp:
		state = a.style.bad.Render("catching up")
	case age > time.Minute:
		state = a.style.bad.Render("no block for " + age.String())
	}
	power := strconv.FormatInt(s.Power, 10)
	if s.Power == 0 {
		power = "0 (not a validator, or jailed)"
	}
	height := strconv.FormatInt(s.Height, 10)
	if s.Height > 0 {
		height += fmt.Sprintf(", %s ago", max(age, 0))
	}
	out := table([][]string{
		{"node", printable(s.Moniker) + " at " + s.Node}, {"id", s.ID}, {"chain", printable(s.ChainID)}, {"CometBFT", printable(s.Version)},
		{"height", height}, {"first block", strconv.FormatInt(s.Earliest, 10)}, {"state", state},
		{"voting power", power}, {"validator", s.Validator}, {"peers", strconv.Itoa(len(s.Peers))},
	})
	if len(s.Peers) == 0 {
		return out
	}
	rows := [][]string{{"PEER", "ADDRESS", "SIDE", "ID"}}
	for _, p := range s.Peers {
		side := "we called"
		if p.Inbound {
			side = "it called"
		}
		rows = append(rows, []string{strings.TrimSpace(printable(p.Moniker)), printable(p.Address), side, p.ID})
	}
	return out + "\n" + table(rows)
}
