package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// result is what one load cost.
type result struct {
	Name string `json:"name"`
	// Txs were committed, all of them good, in Seconds from the first request to the last block's commit.
	Txs       int     `json:"txs"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"txs_per_second"`
	// CPU is the node's processor time a transaction in milliseconds, Cores how many cores that kept busy.
	CPU   float64 `json:"cpu_ms_per_tx"`
	Cores float64 `json:"cores_busy"`
	// Blocks with transactions, and the time from the block before them in milliseconds.
	Blocks      int     `json:"blocks"`
	BlockMedian float64 `json:"block_ms_median"`
	BlockP99    float64 `json:"block_ms_p99"`
	// RSS and Peak are the node's resident memory in MiB after the load and at its highest since the node started.
	RSS  int64 `json:"rss_mib"`
	Peak int64 `json:"peak_rss_mib"`
}

const (
	// loadLimit bounds one load in time.
	loadLimit = 10 * time.Minute
	// connections send side by side, each in the order of its own transactions.
	connections = 8
)

// drive sends the requests of all streams, each over a connection of its own and in order, until all are committed.
// It remembers the heights, whose results check counts afterwards.
func (p *process) drive(ctx context.Context, name string, streams [][][]byte) (r result, heights []int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	r.Name = name
	for _, s := range streams {
		r.Txs += len(s)
	}
	height, err := p.height()
	if err != nil {
		return r, nil, err
	}
	previous := block{}
	if bs, err := p.blocksAfter(height - 1); err != nil || len(bs) == 0 {
		return r, nil, fmt.Errorf("block %d: %w", height, err)
	} else {
		previous = bs[len(bs)-1]
		height = previous.height
	}
	before, err := p.cpu()
	if err != nil {
		return r, nil, err
	}
	began := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range streams {
		g.Go(func() error { return p.send(gctx, s) })
	}
	var pauses []float64
	g.Go(func() error {
		for committed := 0; committed < r.Txs; {
			select {
			case <-gctx.Done():
				return fmt.Errorf("%d of %d transactions were committed: %w", committed, r.Txs, context.Cause(gctx))
			case <-time.After(40 * time.Millisecond):
			}
			bs, err := p.blocksAfter(height)
			if err != nil {
				return err
			}
			for _, b := range bs {
				if b.txs > 0 {
					heights = append(heights, b.height)
					pauses = append(pauses, float64(b.time.Sub(previous.time).Microseconds())/1000)
				}
				committed += b.txs
				height, previous = b.height, b
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return r, nil, fmt.Errorf("%s: %w", name, err)
	}
	took := time.Since(began)
	after, err := p.cpu()
	if err != nil {
		return r, nil, err
	}
	r.Seconds = took.Seconds()
	r.PerSecond = float64(r.Txs) / r.Seconds
	r.CPU = float64((after - before).Microseconds()) / 1000 / float64(r.Txs)
	r.Cores = (after - before).Seconds() / r.Seconds
	r.Blocks, r.BlockMedian, r.BlockP99 = len(pauses), percentile(pauses, 50), percentile(pauses, 99)
	r.RSS, r.Peak = p.memory()
	return r, heights, nil
}

// check fails if a transaction in these blocks failed. It costs the node memory and time, so it comes after what is measured.
func (p *process) check(heights []int64) error {
	failed, first := 0, ""
	for _, h := range heights {
		n, why, err := p.failures(h)
		if err != nil {
			return err
		}
		if failed += n; first == "" {
			first = why
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d transactions failed; the first one with %s", failed, first)
	}
	return nil
}

// send sends requests over one connection, each when the one before it is in the mempool. While that is full it waits.
func (p *process) send(ctx context.Context, requests [][]byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.rpc)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	in := bufio.NewReader(conn)
	var body bytes.Buffer
	for i := 0; i < len(requests); {
		if _, err := conn.Write(requests[i]); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		body.Reset()
		_, err = io.Copy(&body, io.LimitReader(res.Body, 1<<20))
		_ = res.Body.Close()
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		switch {
		case bytes.Contains(body.Bytes(), []byte(`"code":0,`)):
			i++
		case strings.Contains(body.String(), "mempool is full"):
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(20 * time.Millisecond):
			}
		default:
			return fmt.Errorf("transaction %d was refused: %s", i, body.String())
		}
	}
	return nil
}

// percentile of values, which may be unsorted; 0 if there are none.
func percentile(values []float64, p int) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return s[min(len(s)*p/100, len(s)-1)]
}

func toJSON(v any) string {
	b, _ := json.MarshalIndent(v, "", "  ")
	return string(b)
}
