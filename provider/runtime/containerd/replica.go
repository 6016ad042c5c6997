package containerd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/snapshots"

	"github.com/akash-supercloud/akash/provider/runtime"
)

const (
	firstPause = time.Second
	longPause  = 5 * time.Minute
	// steady is how long a replica must run for its failures to be forgiven.
	steady = 10 * time.Minute
	// readyWait is how long a new replica of several has to open its port before the next one
	// is replaced all the same.
	readyWait = 15 * time.Second
)

// replica is one copy of a service. Its goroutine, loop, is the only one that makes or ends its
// containers (but for adopt, before, and remove, after it). Fields are guarded by lease.mu.
type replica struct {
	l       *lease
	service string
	index   int
	key     string // service/index
	name    string
	wake    chan struct{}
	done    chan struct{} // closed when loop ended
	running bool          // loop was started

	st         *replicaState
	want       *wanted // nil: go away
	cur        *current
	seq        uint64 // the Apply that want is of
	settledSeq uint64
	state      runtime.State
	reason     string
	retry      time.Time // not before: a failing replica's next start, or a held update's next try
	retryHash  string    // what was wanted when retry was set: a changed manifest doesn't wait for it
	busyWith   string    // hash whose image is being fetched
	stopPull   context.CancelFunc
}

// current is a container that runs.
type current struct {
	id     string
	w      *wanted
	exited chan exit // gets one value
}

// watch begins to wait for the end of the current container; lease.mu is held.
func (r *replica) watch() {
	c := r.cur
	c.exited = make(chan exit, 1)
	rt := r.l.rt
	rt.wg.Add(1)
	go func() {
		defer rt.wg.Done()
		if e, ok := rt.wait(r.l.ctx, c.id); ok {
			c.exited <- e
		}
	}()
}

// pause is how long to wait after a number of failures in a row.
func pause(streak uint32) time.Duration {
	if streak == 0 {
		return 0
	}
	if streak > 10 {
		return longPause
	}
	return min(firstPause<<(streak-1), longPause)
}

// loop makes what runs equal to what is wanted until the replica isn't wanted any more (then
// nothing runs) or the lease's context ends (then what runs is left).
func (r *replica) loop() {
	l := r.l
	defer l.rt.wg.Done()
	defer close(r.done)
	for l.ctx.Err() == nil {
		l.mu.Lock()
		want, cur, retry, seq := r.want, r.cur, r.retry, r.seq
		if want != nil && r.retryHash != want.Hash {
			retry = time.Time{}
		}
		l.mu.Unlock()
		switch {
		case want == nil:
			if r.retire(cur) {
				return
			}
		case cur != nil && cur.w.Hash == want.Hash:
			l.mu.Lock()
			changed := r.st.Generation != want.Generation || cur.w.Env == nil
			r.st.Generation = want.Generation
			image := cur.w.Image
			w := *want // for a restart: the newest credentials, the image that runs
			w.Image = image
			r.st.Running, cur.w = &w, &w
			r.state, r.reason, r.retry = runtime.StateRunning, "", time.Time{}
			if changed {
				r.saveLocked()
			}
			l.mu.Unlock()
			r.idle(cur, time.Time{}, seq)
		case cur != nil:
			if time.Now().Before(retry) {
				r.idle(cur, retry, seq)
				continue
			}
			r.update(cur, want, seq)
		default:
			if time.Now().Before(retry) {
				r.idle(nil, retry, seq)
				continue
			}
			r.start(want, seq)
		}
	}
}

// saveLocked writes what was made; lease.mu is held. A failure is told, not fatal: labels
// say the most important again.
func (r *replica) saveLocked() {
	if err := r.l.state.saveReplicas(r.l.dir()); err != nil {
		r.l.rt.log.Error("a lease's state can't be written", "lease", r.l.id.String(), "error", err)
	}
}

// settle says that Apply number seq has had its try.
func (r *replica) settle(seq uint64) {
	r.l.mu.Lock()
	if seq > r.settledSeq {
		r.settledSeq = seq
		close(r.l.settled)
		r.l.settled = make(chan struct{})
	}
	r.l.mu.Unlock()
}

// idle waits until something is to be done.
func (r *replica) idle(cur *current, until time.Time, seq uint64) {
	r.settle(seq)
	var exited chan exit
	if cur != nil {
		exited = cur.exited
	}
	var alarm <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-r.l.ctx.Done():
	case <-r.wake:
	case <-alarm:
	case e := <-exited:
		r.afterExit(cur, e)
	}
}

// pauseLocked sets when what is wanted now is tried next; lease.mu is held.
func (r *replica) pauseLocked(p time.Duration) {
	r.retry = time.Now().Add(p)
	switch {
	case r.want != nil:
		r.retryHash = r.want.Hash
	case r.st.Running != nil: // found at the start, what is wanted comes next
		r.retryHash = r.st.Running.Hash
	}
}

// ended records how a container ended; lease.mu is held.
func (r *replica) ended(id string, e exit) {
	w := r.st.Running
	reason := r.l.rt.exitReason(r.l.key, id, w, e)
	if !r.st.StartedAt.IsZero() && e.at.Sub(r.st.StartedAt) >= steady {
		r.st.Streak = 0
	}
	r.st.Streak++
	r.st.Restarts++
	if e.gone {
		r.st.ExitCode = nil
	} else {
		code := e.code
		r.st.ExitCode = &code
	}
	r.st.Reason = reason
	r.st.Container = ""
	r.cur = nil
	p := pause(r.st.Streak)
	r.pauseLocked(p)
	r.state = runtime.StateBackoff
	r.reason = fmt.Sprintf("%s; started again after %s (restart %d)", reason, p, r.st.Restarts)
	r.l.note(r.service, r.name, true, "BackOff", r.reason)
	r.saveLocked()
}

func (r *replica) afterExit(cur *current, e exit) {
	rt := r.l.rt
	if !e.gone {
		// The kernel's word that memory ran out comes by another way, and may be late.
		for i := 0; i < 10 && e.code == 137 && !rt.outOfMemory(r.l.key, cur.id); i++ {
			time.Sleep(20 * time.Millisecond)
		}
	}
	r.l.mu.Lock()
	r.ended(cur.id, e)
	r.l.mu.Unlock()
	r.destroy(cur.id, 0)
}

// destroy removes a container; while that fails nothing else can be done for the replica.
func (r *replica) destroy(id string, grace time.Duration) {
	for {
		err := r.l.rt.destroy(r.l.ctx, r.l.key, id, grace)
		if err == nil || r.l.ctx.Err() != nil {
			return
		}
		r.l.rt.log.Error("a container can't be removed; trying again", "container", id, "error", err)
		select {
		case <-r.l.ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// retire ends what runs and says goodbye. It returns false when the replica is wanted again.
func (r *replica) retire(cur *current) bool {
	l := r.l
	if cur != nil {
		l.note(r.service, r.name, false, "Stopping", "it isn't wanted any more")
		r.destroy(cur.id, l.rt.opt.StopGrace)
		if l.ctx.Err() != nil {
			return true
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r.cur = nil
	if r.want != nil {
		return false
	}
	delete(l.replicas, r.key)
	delete(l.state.Replicas, r.key)
	r.saveLocked()
	close(l.settled)
	l.settled = make(chan struct{})
	l.rt.changed(l.id)
	return true
}

// fetch returns the digest of the version's image, asking the registry once a version.
func (r *replica) fetch(w *wanted) (string, error) {
	l := r.l
	svc := l.service(r.service)
	svc.mu.Lock()
	digest := svc.images[w.Hash]
	svc.mu.Unlock()
	if digest == "" {
		digest = w.Image
	}
	if digest != "" {
		if _, err := l.rt.image(l.ctx, digest); err == nil {
			return digest, nil
		}
	}
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	l.mu.Lock()
	r.busyWith, r.stopPull = w.Hash, cancel
	stale := r.want == nil || r.want.Hash != w.Hash
	if r.cur == nil {
		r.state, r.reason = runtime.StatePulling, "its image "+w.Service.Image+" is being fetched"
	}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		r.busyWith, r.stopPull = "", nil
		l.mu.Unlock()
	}()
	if stale {
		return "", context.Canceled
	}
	l.rt.changed(l.id)
	select {
	case svc.pull <- struct{}{}:
		defer func() { <-svc.pull }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	svc.mu.Lock()
	digest = svc.images[w.Hash]
	svc.mu.Unlock()
	if digest != "" { // a sibling fetched it meanwhile
		return digest, nil
	}
	began := time.Now()
	digest, err := l.rt.pull(ctx, &w.Service, func(done, total int64) {
		l.mu.Lock()
		if r.state == runtime.StatePulling {
			r.reason = fmt.Sprintf("its image %s is being fetched: %s of %s", w.Service.Image, bytesText(uint64(done)), bytesText(uint64(total)))
		}
		l.mu.Unlock()
		l.rt.changed(l.id)
	})
	if err != nil {
		return "", err
	}
	svc.mu.Lock()
	if len(svc.images) > 32 {
		clear(svc.images)
	}
	svc.images[w.Hash] = digest
	svc.mu.Unlock()
	l.note(r.service, r.name, false, "Pulled", fmt.Sprintf("the image %s is here, after %s", w.Service.Image, time.Since(began).Round(time.Millisecond)))
	return digest, nil
}

// start starts a replica of which nothing runs: the wanted version, or, when that one is known not
// to start, the last one that did.
func (r *replica) start(want *wanted, seq uint64) {
	l := r.l
	svc := l.service(r.service)
	l.mu.Lock()
	last := r.st.Running
	l.mu.Unlock()
	if last != nil && last.Service.Image == "" { // known by its labels only
		last = nil
	}
	w := *want
	if last != nil && last.Hash == want.Hash {
		w.Image = last.Image
	}
	digest, err := r.fetch(&w)
	if err == nil {
		w.Image = digest
		svc.mu.Lock()
		bad := svc.bad[w.Hash]
		svc.mu.Unlock()
		if bad != "" && last != nil && last.Hash != w.Hash {
			err = errors.New(bad)
		} else if _, err = r.run(&w); err == nil {
			return
		}
	}
	if l.ctx.Err() != nil || r.superseded(&w) {
		return
	}
	why := err.Error()
	if last != nil && last.Hash != want.Hash {
		if _, err := r.run(last); err == nil {
			r.hold(fmt.Sprintf("the update doesn't run: %s; the version before goes on running", why), seq)
			return
		}
	}
	l.mu.Lock()
	r.st.Streak++
	p := pause(r.st.Streak)
	r.pauseLocked(p)
	r.state = runtime.StateBackoff
	r.reason = why
	r.st.Reason = why
	r.saveLocked()
	l.mu.Unlock()
	l.note(r.service, r.name, true, "Failed", fmt.Sprintf("%s; tried again after %s", why, p))
	r.settle(seq)
}

// superseded says whether something else than w is wanted by now.
func (r *replica) superseded(w *wanted) bool {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	return r.want == nil || r.want.Hash != w.Hash
}

// hold keeps the version that runs, and says why the wanted one doesn't.
func (r *replica) hold(why string, seq uint64) {
	l := r.l
	l.mu.Lock()
	r.st.Streak++
	r.pauseLocked(pause(max(r.st.Streak, 2)))
	r.reason = why
	l.mu.Unlock()
	l.note(r.service, r.name, true, "UpdateFailed", why)
	r.settle(seq)
}

// update replaces a running replica by the wanted version: its image first, then, one replica
// after another, the container. A version that doesn't start is taken back.
func (r *replica) update(cur *current, want *wanted, seq uint64) {
	l := r.l
	svc := l.service(r.service)
	w := *want
	digest, err := r.fetch(&w)
	if l.ctx.Err() != nil || r.superseded(want) {
		return
	}
	if err != nil {
		r.hold(fmt.Sprintf("the update doesn't run: %v; the version before goes on running", err), seq)
		return
	}
	w.Image = digest
	select {
	case svc.turn <- struct{}{}:
		defer func() { <-svc.turn }()
	case <-l.ctx.Done():
		return
	case e := <-cur.exited:
		r.afterExit(cur, e)
		return
	}
	svc.mu.Lock()
	bad := svc.bad[w.Hash]
	svc.mu.Unlock()
	if r.superseded(want) {
		return
	}
	if bad != "" {
		l.mu.Lock()
		r.reason = "the update doesn't run: " + bad + "; the version before goes on running"
		r.pauseLocked(time.Hour)
		l.mu.Unlock()
		r.settle(seq)
		return
	}
	old := cur.w
	l.note(r.service, r.name, false, "Replacing", fmt.Sprintf("it is replaced by generation %d", w.Generation))
	r.destroy(cur.id, l.rt.opt.StopGrace)
	l.mu.Lock()
	r.cur = nil
	r.st.Container = ""
	r.state, r.reason = runtime.StateStarting, ""
	l.mu.Unlock()
	if l.ctx.Err() != nil {
		return
	}
	c, err := r.run(&w)
	if err != nil {
		if l.ctx.Err() != nil {
			return
		}
		svc.mu.Lock()
		if len(svc.bad) > 32 {
			clear(svc.bad)
		}
		svc.bad[w.Hash] = err.Error()
		svc.mu.Unlock()
		why := "the update doesn't run: " + err.Error() + "; the version before goes on running"
		if old.Service.Image == "" {
			return // nothing to go back to; loop starts it with pauses
		}
		if _, back := r.run(old); back != nil {
			return
		}
		r.hold(why, seq)
		l.mu.Lock()
		r.pauseLocked(time.Hour)
		l.mu.Unlock()
		return
	}
	l.mu.Lock()
	r.st.Streak = 0
	l.mu.Unlock()
	if want.Service.Count > 1 {
		r.awaitPort(c, &w)
	}
}

// awaitPort waits until the replica takes connections on the TCP ports that it exposes, ends,
// or has had its time.
func (r *replica) awaitPort(c *current, w *wanted) {
	addr, _, err := r.l.address(r.service, r.index)
	if err != nil {
		return
	}
	end := time.Now().Add(readyWait)
	for _, e := range w.Service.Expose {
		if strings.EqualFold(e.Proto, "udp") {
			continue
		}
		target := net.JoinHostPort(addr.String(), strconv.Itoa(int(e.Port)))
		for time.Now().Before(end) {
			conn, err := net.DialTimeout("tcp", target, 500*time.Millisecond)
			if err == nil {
				conn.Close()
				break
			}
			select {
			case e := <-c.exited:
				c.exited <- e // loop reads it again
				return
			case <-r.l.ctx.Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// run makes and starts a container of the version. What fails leaves nothing.
func (r *replica) run(w *wanted) (*current, error) {
	l, rt := r.l, r.l.rt
	id := newID()
	l.mu.Lock()
	// The id is written down before anything has it, so nothing made for it can be lost.
	r.st.Container = id
	r.state, r.reason = runtime.StateStarting, ""
	r.saveLocked()
	l.mu.Unlock()
	// A start that began is brought to its end: shorter than to clean up after half of one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), 2*startDeadline)
	defer cancel()
	err := func() error {
		c, err := rt.make(ctx, l, w, r.index, id)
		if err != nil {
			return err
		}
		_, err = rt.launch(ctx, l, w, r.index, c)
		return err
	}()
	if err != nil {
		if derr := rt.destroy(ctx, l.key, id, 0); derr != nil {
			rt.log.Error("what didn't start can't be removed", "container", id, "error", derr)
		}
		return nil, err
	}
	c := &current{id: id, w: w}
	l.mu.Lock()
	r.cur = c
	r.watch()
	r.st.Running, r.st.Generation, r.st.StartedAt = w, w.Generation, time.Now()
	r.state, r.reason = runtime.StateRunning, ""
	r.saveLocked()
	l.mu.Unlock()
	l.note(r.service, r.name, false, "Started", fmt.Sprintf("it runs, generation %d", w.Generation))
	return c, nil
}

func walkSnapshots(ctx context.Context, s snapshots.Snapshotter, fn func(name string)) error {
	return s.Walk(ctx, func(_ context.Context, i snapshots.Info) error {
		if i.Kind == snapshots.KindActive {
			fn(i.Name)
		}
		return nil
	})
}
