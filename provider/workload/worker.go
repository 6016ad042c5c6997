package workload

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	marketv1beta5 "github.com/akash-supercloud/akash/api/akash/market/v1beta5"
	"github.com/akash-supercloud/akash/client/tx"
	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/state"
)

// How often a worker looks by itself.
const (
	lookStarting = 500 * time.Millisecond
	lookRunning  = 10 * time.Second
)

// worker keeps one lease. Only its own goroutine reads and writes its fields, but wake.
type worker struct {
	m    *Manager
	id   marketv1.LeaseID
	wake chan struct{}

	// applying is the Apply on the way; applied the last generation that was applied without error.
	applying *applying
	applied  uint64
	// fails counts how often the generation failed was tried in vain; it is tried again at retryAt.
	failed  uint64
	fails   int
	retryAt time.Time
	// seenAt is when the health was last seen; zero after a time in which it couldn't be.
	seenAt time.Time
	saved  time.Duration
	// closeSentAt is when the lease's close was last sent.
	closeSentAt time.Time
	removeFails int
}

type applying struct {
	generation uint64
	cancel     context.CancelFunc
	done       chan error
}

// kick makes the lease's worker look now; it starts one when there is none.
func (m *Manager) kick(id marketv1.LeaseID) {
	id.BSeq = 0
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx == nil || m.ctx.Err() != nil {
		return
	}
	w := m.workers[id.String()]
	if w == nil {
		w = &worker{m: m, id: id, wake: make(chan struct{}, 1)}
		m.workers[id.String()] = w
		ctx := m.ctx
		m.wg.Go(func() { w.run(ctx) })
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// kickKnown makes the worker look if there is one.
func (m *Manager) kickKnown(id marketv1.LeaseID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.workers[id.String()]; w != nil {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (w *worker) run(ctx context.Context) {
	defer w.stopApply()
	for {
		var l state.Lease
		var ok bool
		err := w.m.opt.Store.View(func(tx *state.Tx) (err error) { l, ok, err = tx.Lease(w.id); return err })
		wait := 5 * time.Second
		switch {
		case err != nil:
			w.m.opt.Log.Error("can't read the lease's record", "lease", w.id.String(), "err", err)
		case !ok:
			if w.leave() {
				return
			}
			continue
		default:
			wait = w.step(ctx, l)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.wake:
		case <-timer.C:
		case err := <-w.applyDone():
			w.finishApply(err)
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// leave ends the worker unless it was woken meanwhile.
func (w *worker) leave() bool {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	select {
	case <-w.wake:
		// Woken between the look and now; look once more.
		var ok bool
		_ = w.m.opt.Store.View(func(tx *state.Tx) (err error) { _, ok, err = tx.Lease(w.id); return err })
		if ok {
			return false
		}
	default:
	}
	delete(w.m.workers, w.id.String())
	return true
}

// step brings the lease one step nearer to what is wanted, and returns when to look again.
func (w *worker) step(ctx context.Context, l state.Lease) time.Duration {
	if l.Closed {
		return w.remove(ctx, l)
	}
	if len(l.Spec) == 0 {
		w.readSpec(ctx, l)
	}
	if l.Close != 0 {
		return w.close(ctx, l)
	}
	g, ok := group(l)
	if !ok {
		return w.awaitManifest(ctx, l)
	}
	w.apply(ctx, l, g)
	return w.look(ctx, l, g)
}

// readSpec fills in what was bought, for a lease that was found by a query.
func (w *worker) readSpec(ctx context.Context, l state.Lease) {
	spec, err := w.m.opt.Chain.GroupSpec(ctx, l.ID.GroupID())
	if err != nil {
		return // next look
	}
	raw, err := spec.Marshal()
	if err != nil {
		return
	}
	if w.change(func(l *state.Lease) { l.Spec = raw }) {
		w.m.opt.Inventory.Hold(key(l.ID), spec, true)
	}
}

// change edits the record, if it is still there.
func (w *worker) change(edit func(*state.Lease)) bool {
	done := false
	err := w.m.opt.Store.Update(func(tx *state.Tx) error {
		l, ok, err := tx.Lease(w.id)
		if err != nil || !ok {
			return err
		}
		done = true
		edit(&l)
		return tx.PutLease(l)
	})
	if err != nil {
		w.m.opt.Log.Error("can't write the lease's record", "lease", w.id.String(), "err", err)
		return false
	}
	return done
}

// wantClose decides that the lease is to be closed for a reason.
func (w *worker) wantClose(ctx context.Context, reason marketv1.LeaseClosedReason, why string) time.Duration {
	w.m.opt.Log.Warn("closing the lease: "+why, "lease", w.id.String())
	var now state.Lease
	w.change(func(l *state.Lease) {
		// A manifest that arrived in this moment wins over its timeout.
		if reason != marketv1.LeaseClosedReasonManifestTimeout || len(l.Manifest) == 0 {
			l.Close = reason
		}
		now = *l
	})
	if now.Close == 0 {
		return 0
	}
	return w.close(ctx, now)
}

// close sends the close until the chain agrees. The event of the close does the rest.
func (w *worker) close(ctx context.Context, l state.Lease) time.Duration {
	if g, ok := group(l); ok {
		w.look(ctx, l, g) // routes follow what runs until the chain has closed the lease
	}
	if since := w.m.opt.Now().Sub(w.closeSentAt); !w.closeSentAt.IsZero() && since < 10*time.Second {
		return 10*time.Second - since
	}
	w.closeSentAt = w.m.opt.Now()
	err := w.m.opt.Chain.Send(ctx, &marketv1beta5.MsgCloseBid{ID: l.ID.BidID(), Reason: l.Close})
	if err == nil {
		return 10 * time.Second
	}
	var refused *tx.Error
	if errors.As(err, &refused) {
		// Closed already, maybe, with its event still to be read.
		now, lerr := w.m.opt.Chain.Lease(ctx, l.ID)
		if status.Code(lerr) == codes.NotFound || (lerr == nil && now.State != marketv1.LeaseActive && now.State != marketv1.LeaseReclaiming) {
			if w.m.opt.Synced() {
				w.change(func(l *state.Lease) { l.Closed = true })
				return 0
			}
		}
	}
	w.m.opt.Log.Warn("can't close the lease; trying again", "lease", l.ID.String(), "err", err)
	return 10 * time.Second
}

func (w *worker) awaitManifest(ctx context.Context, l state.Lease) time.Duration {
	left := l.WonAt.Add(w.m.opt.ManifestTimeout).Sub(w.m.opt.Now())
	if left > 0 {
		return min(left, time.Minute)
	}
	// A workload that runs although its manifest isn't known (a lost state file) isn't a tenant who
	// never came.
	if _, err := w.m.opt.Runtime.Status(ctx, l.ID); !errors.Is(err, runtime.ErrNotFound) {
		return time.Minute
	}
	return w.wantClose(ctx, marketv1.LeaseClosedReasonManifestTimeout, fmt.Sprintf("no manifest came within %s", w.m.opt.ManifestTimeout))
}

func (w *worker) applyDone() chan error {
	if w.applying == nil {
		return nil
	}
	return w.applying.done
}

// apply starts an Apply when the newest manifest isn't applied. An older Apply on the way is ended.
func (w *worker) apply(ctx context.Context, l state.Lease, g manifestv2.Group) {
	if w.applying != nil && w.applying.generation == l.Generation {
		return
	}
	if w.applied == l.Generation || (w.fails > 0 && w.failed == l.Generation && w.m.opt.Now().Before(w.retryAt)) {
		return
	}
	w.stopApply()
	var claims map[string]string
	_ = w.m.opt.Store.View(func(tx *state.Tx) error { claims = tx.Hosts(); return nil })
	spec := runtime.Spec{Lease: l.ID, Group: g, Generation: l.Generation, Env: w.env(l), Hosts: w.m.hosts(l, g, claims)}
	run, cancel := context.WithCancel(ctx)
	a := &applying{generation: l.Generation, cancel: cancel, done: make(chan error, 1)}
	w.applying = a
	w.m.wg.Go(func() { a.done <- w.m.opt.Runtime.Apply(run, spec) })
}

func (w *worker) env(l state.Lease) []string {
	return []string{
		"AKASH_GROUP_SEQUENCE=" + strconv.FormatUint(uint64(l.ID.GSeq), 10),
		"AKASH_DEPLOYMENT_SEQUENCE=" + strconv.FormatUint(l.ID.DSeq, 10),
		"AKASH_ORDER_SEQUENCE=" + strconv.FormatUint(uint64(l.ID.OSeq), 10),
		"AKASH_OWNER=" + l.ID.Owner,
		"AKASH_PROVIDER=" + l.ID.Provider,
		"AKASH_CLUSTER_PUBLIC_HOSTNAME=" + w.m.opt.PublicHost,
	}
}

// stopApply ends an Apply on the way and waits for it.
func (w *worker) stopApply() {
	if w.applying == nil {
		return
	}
	w.applying.cancel()
	<-w.applying.done
	w.applying = nil
}

func (w *worker) finishApply(err error) {
	a := w.applying
	a.cancel()
	w.applying = nil
	if err == nil {
		w.applied, w.fails = a.generation, 0
		w.m.opt.Count("applied")
		w.m.opt.Log.Info("workload applied", "lease", w.id.String(), "generation", a.generation)
		return
	}
	if w.failed != a.generation {
		w.failed, w.fails = a.generation, 0
	}
	w.fails++
	pause := min(time.Second<<min(w.fails-1, 6), time.Minute)
	w.retryAt = w.m.opt.Now().Add(pause)
	w.m.opt.Count("apply failed")
	w.m.opt.Log.Warn("workload can't be applied; trying again", "lease", w.id.String(), "in", pause, "err", err)
}

// look reads the status, sets the routes by it and judges the health.
func (w *worker) look(ctx context.Context, l state.Lease, g manifestv2.Group) time.Duration {
	st, err := w.m.opt.Runtime.Status(ctx, l.ID)
	switch {
	case errors.Is(err, runtime.ErrNotFound):
		if w.applying == nil {
			w.applied = 0 // it is gone from the machine: apply again
		}
		w.m.route(l, g, runtime.LeaseStatus{}) // known, but starting: 503, not 404
		w.seenAt = time.Time{}
		return lookStarting
	case err != nil:
		// The runtime can't be asked. Routes stay as they are; nothing is held against the tenant.
		w.seenAt = time.Time{}
		return lookStarting * 4
	}
	w.m.route(l, g, st)
	if st.Generation != l.Generation && w.applying == nil && w.fails == 0 {
		w.applied = 0
	}
	ready := len(st.Services) > 0
	for _, s := range g.Services {
		if now := st.Services[s.Name]; now.Ready < s.Count {
			ready = false
		}
	}
	return w.judge(ctx, l, ready)
}

// judge adds up how long the tenant's workload has been failing.
func (w *worker) judge(ctx context.Context, l state.Lease, ready bool) time.Duration {
	now := w.m.opt.Now()
	last := w.seenAt
	w.seenAt = now
	if ready {
		if l.UnhealthyFor != 0 {
			w.change(func(l *state.Lease) { l.UnhealthyFor = 0 })
		}
		w.saved = 0
		return lookRunning
	}
	if last.IsZero() || !w.m.opt.Synced() {
		return lookStarting
	}
	// A long gap between two looks is this program's own, not the tenant's.
	w.saved += min(max(now.Sub(last), 0), time.Minute)
	total := l.UnhealthyFor + w.saved
	if w.m.opt.UnstableAfter > 0 && total >= w.m.opt.UnstableAfter && l.Close == 0 {
		return w.wantClose(ctx, marketv1.LeaseClosedReasonUnstable, fmt.Sprintf("the tenant's workload has failed for %s", total.Round(time.Second)))
	}
	if w.saved >= time.Minute {
		w.change(func(l *state.Lease) { l.UnhealthyFor = total })
		w.saved = 0
	}
	if total > 2*time.Minute {
		return lookStarting * 10
	}
	return lookStarting
}

// remove takes down what a closed lease has, and then its record.
func (w *worker) remove(ctx context.Context, l state.Lease) time.Duration {
	w.stopApply()
	id := l.ID.String()
	w.m.opt.Router.RemoveLease(id)
	_ = w.m.opt.Ports.SetLease(id, nil)
	if err := w.m.opt.Runtime.Remove(ctx, l.ID); err != nil {
		w.removeFails++
		pause := min(time.Second<<min(w.removeFails-1, 5), 30*time.Second)
		w.m.opt.Log.Warn("can't remove the workload; trying again", "lease", id, "in", pause, "err", err)
		return pause
	}
	var others []marketv1.LeaseID
	err := w.m.opt.Store.Update(func(tx *state.Tx) error {
		ports, err := tx.Ports()
		if err != nil {
			return err
		}
		for _, p := range ports {
			if p.Lease == id {
				if err := tx.DeletePort(p.Proto, p.HostPort); err != nil {
					return err
				}
			}
		}
		if others, err = w.m.freeHosts(tx, id, nil); err != nil {
			return err
		}
		return tx.DeleteLease(l.ID)
	})
	if err != nil {
		w.m.opt.Log.Error("can't forget the lease; trying again", "lease", id, "err", err)
		return 5 * time.Second
	}
	w.m.opt.Inventory.Release(key(l.ID))
	w.m.opt.Count("removed")
	for _, other := range others {
		w.m.kick(other)
	}
	w.m.opt.Freed()
	return 0
}
