package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	goruntime "runtime"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	deploymentv1 "github.com/akash-supercloud/akash/api/akash/deployment/v1"
	deploymentv1beta4 "github.com/akash-supercloud/akash/api/akash/deployment/v1beta4"
	marketv1 "github.com/akash-supercloud/akash/api/akash/market/v1"
	"github.com/akash-supercloud/akash/client/auth"
	wire "github.com/akash-supercloud/akash/client/gateway"
	"github.com/akash-supercloud/akash/manifest"
	"github.com/akash-supercloud/akash/provider/runtime"
	"github.com/akash-supercloud/akash/provider/workload"
)

// Handler is the REST and WebSocket API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			// A broken token fails even where none is needed: its owner ought to know.
			if _, d := s.authenticate(r); d != nil {
				d.write(w)
				return
			}
			h(w, r)
		})
	}
	authed := func(pattern string, h func(http.ResponseWriter, *http.Request, caller)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c, d := s.authenticate(r)
			if d == nil && (c.owner == "" || !c.claims.AllowsProvider(s.opt.Provider)) {
				d = deny(http.StatusUnauthorized, "unauthorized access")
			}
			if d != nil {
				d.write(w)
				return
			}
			h(w, r, c)
		})
	}
	open("GET /version", s.version)
	open("GET /address", s.address)
	open("GET /status", s.status)
	authed("PUT /deployment/{dseq}/manifest", s.putManifest)
	authed("GET /lease/{dseq}/{gseq}/{oseq}/manifest", s.getManifest)
	authed("GET /lease/{dseq}/{gseq}/{oseq}/status", s.leaseStatus)
	authed("GET /lease/{dseq}/{gseq}/{oseq}/service/{service}/status", s.serviceStatus)
	authed("GET /lease/{dseq}/{gseq}/{oseq}/kubeevents", s.events)
	authed("GET /lease/{dseq}/{gseq}/{oseq}/logs", s.logs)
	authed("/lease/{dseq}/{gseq}/{oseq}/shell", s.shell)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.opt.Healthy(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				s.opt.Log.Error("gateway: a request made the server panic", "path", r.URL.Path, "panic", v)
				http.Error(w, "internal error", http.StatusInternalServerError)
			}
		}()
		mux.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	platform := goruntime.GOOS + "/" + goruntime.GOARCH
	writeJSON(w, map[string]any{
		"akash": map[string]any{
			"name": "akash", "server_name": "akash", "version": s.opt.Version, "commit": s.opt.Commit,
			"build_tags": "", "go": "go version " + goruntime.Version() + " " + platform, "build_deps": []string{}, "cosmos_sdk_version": "v0.55.0",
		},
		// There is no Kubernetes here; clients expect the object.
		"kube": map[string]string{
			"major": "", "minor": "", "gitVersion": "", "gitCommit": "", "gitTreeState": "", "buildDate": "",
			"goVersion": goruntime.Version(), "compiler": goruntime.Compiler, "platform": platform,
		},
	})
}

func (s *Server) address(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]string{"address": s.opt.Provider})
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.restStatus()) }

// lease reads the lease's id from the path; the owner is the caller, the provider is this one.
func (s *Server) lease(r *http.Request, c caller) (marketv1.LeaseID, error) {
	dseq, err1 := strconv.ParseUint(r.PathValue("dseq"), 10, 64)
	gseq, err2 := strconv.ParseUint(r.PathValue("gseq"), 10, 32)
	oseq, err3 := strconv.ParseUint(r.PathValue("oseq"), 10, 32)
	if err := errors.Join(err1, err2, err3); err != nil || dseq == 0 || gseq == 0 || oseq == 0 {
		return marketv1.LeaseID{}, errors.New("the path names no lease; write /lease/<dseq>/<gseq>/<oseq>/…")
	}
	return marketv1.LeaseID{Owner: c.owner, DSeq: dseq, GSeq: uint32(gseq), OSeq: uint32(oseq), Provider: s.opt.Provider}, nil
}

// permitted reads the lease's id and checks the scope; it answers and returns false when it isn't.
func (s *Server) permitted(w http.ResponseWriter, r *http.Request, c caller, scope auth.Scope, service string) (marketv1.LeaseID, bool) {
	id, err := s.lease(r, c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return id, false
	}
	if d := s.allow(c, scope, id.DSeq, id.GSeq, id.OSeq, service); d != nil {
		d.write(w)
		return id, false
	}
	return id, true
}

func (s *Server) putManifest(w http.ResponseWriter, r *http.Request, c caller) {
	dseq, err := strconv.ParseUint(r.PathValue("dseq"), 10, 64)
	if err != nil || dseq == 0 {
		http.Error(w, fmt.Sprintf("%q is not a dseq", r.PathValue("dseq")), http.StatusBadRequest)
		return
	}
	if d := s.allow(c, auth.ScopeSendManifest, dseq, 0, 0, ""); d != nil {
		d.write(w)
		return
	}
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many manifests arrive at this moment; try again", http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifest))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			http.Error(w, fmt.Sprintf("the manifest is larger than %d bytes", maxManifest), http.StatusRequestEntityTooLarge)
		}
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 120*time.Second)
	defer cancel()
	if err := s.accept(ctx, c, dseq, body); err != nil {
		code := http.StatusInternalServerError
		switch {
		case errors.Is(err, manifest.ErrInvalid), errors.Is(err, manifest.ErrCrossValidation), errors.Is(err, errManifest),
			errors.Is(err, workload.ErrHost), errors.Is(err, workload.ErrNoPort):
			code = http.StatusUnprocessableEntity
		case errors.Is(err, workload.ErrNoLease):
			code = http.StatusNotFound
		case status.Code(err) == codes.Unavailable || errors.Is(err, context.DeadlineExceeded):
			code = http.StatusServiceUnavailable
		}
		s.opt.Log.Info("manifest not taken", "owner", c.owner, "dseq", dseq, "why", err)
		http.Error(w, err.Error(), code)
		return
	}
	w.WriteHeader(http.StatusOK)
}

var errManifest = errors.New("manifest version validation failed")

// accept checks a manifest against the chain and stores it.
func (s *Server) accept(ctx context.Context, c caller, dseq uint64, body []byte) error {
	m, err := manifest.Decode(body)
	if err != nil {
		return err
	}
	if err := m.Validate(); err != nil {
		return err
	}
	hash, err := manifest.HashJSON(body)
	if err != nil {
		return err
	}
	id := deploymentv1.DeploymentID{Owner: c.owner, DSeq: dseq}
	var d deploymentv1beta4.QueryDeploymentResponse
	var leases []marketv1.Lease
	// The tenant may be a block ahead of this provider's node: what isn't there yet is waited for.
	for end := time.Now().Add(s.opt.Settle); ; {
		d, leases, err = s.onChain(ctx, id)
		if err == nil && !slices.Equal(d.Deployment.Hash, hash) {
			err = fmt.Errorf("%w: its hash is %X, the deployment's on the chain is %X; send the manifest of the last update", errManifest, hash, d.Deployment.Hash)
		}
		if err == nil || time.Now().After(end) || !(errors.Is(err, errManifest) || errors.Is(err, workload.ErrNoLease)) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	if err != nil {
		return err
	}
	specs := make([]deploymentv1beta4.GroupSpec, len(d.Groups))
	for i, g := range d.Groups {
		specs[i] = g.GroupSpec
	}
	if err := m.CheckGroups(specs); err != nil {
		return err
	}
	var accepted []workload.Accepted
	for _, l := range leases {
		i := slices.IndexFunc(d.Groups, func(g deploymentv1beta4.Group) bool { return g.ID.GSeq == l.ID.GSeq })
		if i < 0 || s.allow(c, auth.ScopeSendManifest, dseq, l.ID.GSeq, l.ID.OSeq, "") != nil {
			continue
		}
		g, ok := m.Group(d.Groups[i].GroupSpec.Name)
		if !ok {
			return fmt.Errorf("%w: group %q is missing", manifest.ErrCrossValidation, d.Groups[i].GroupSpec.Name)
		}
		l.ID.BSeq = 0
		accepted = append(accepted, workload.Accepted{Lease: l.ID, Group: g})
	}
	if err := s.opt.Workload.Ensure(leases); err != nil {
		return err
	}
	return s.opt.Workload.Accept(accepted, hash)
}

func (s *Server) onChain(ctx context.Context, id deploymentv1.DeploymentID) (d deploymentv1beta4.QueryDeploymentResponse, leases []marketv1.Lease, err error) {
	d, err = s.opt.Chain.Deployment(ctx, id)
	if status.Code(err) == codes.NotFound {
		return d, nil, workload.ErrNoLease
	}
	if err != nil {
		return d, nil, fmt.Errorf("read the deployment from the chain: %w", err)
	}
	leases, err = s.opt.Chain.OpenLeases(ctx, id)
	if err != nil {
		return d, nil, fmt.Errorf("read the leases from the chain: %w", err)
	}
	if len(leases) == 0 {
		return d, nil, workload.ErrNoLease
	}
	return d, leases, nil
}

func (s *Server) getManifest(w http.ResponseWriter, r *http.Request, c caller) {
	id, ok := s.permitted(w, r, c, auth.ScopeGetManifest, "")
	if !ok {
		return
	}
	v, err := s.opt.Workload.Lease(r.Context(), id)
	switch {
	case errors.Is(err, workload.ErrNoLease):
		http.Error(w, "lease not found", http.StatusNotFound)
	case len(v.Lease.Manifest) == 0:
		s.failed(w, err)
	default:
		writeJSON(w, groups{v.Group})
	}
}

func (s *Server) failed(w http.ResponseWriter, err error) {
	s.opt.Log.Warn("gateway: a lease's status can't be read", "err", err)
	http.Error(w, "the provider can't look at its workloads now; try again", http.StatusServiceUnavailable)
}

func (s *Server) leaseStatus(w http.ResponseWriter, r *http.Request, c caller) {
	id, ok := s.permitted(w, r, c, auth.ScopeStatus, "")
	if !ok {
		return
	}
	v, err := s.opt.Workload.Lease(r.Context(), id)
	if errors.Is(err, workload.ErrNoLease) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if err != nil {
		s.failed(w, err)
		return
	}
	all, names := c.claims.Services(s.opt.Provider, auth.ScopeStatus, id.DSeq, id.GSeq, id.OSeq)
	out := wire.LeaseStatus{Services: map[string]wire.ServiceStatus{}}
	for _, svc := range v.Group.Services {
		if !all && !slices.Contains(names, svc.Name) {
			continue
		}
		out.Services[svc.Name] = serviceStatus(v, svc.Name, svc.Count)
		if st := v.Status.Services[svc.Name]; st.Reason != "" {
			out.Errors = append(out.Errors, svc.Name+": "+st.Reason)
		}
	}
	for _, p := range v.Ports {
		if _, ok := out.Services[p.Service]; !ok {
			continue
		}
		if out.ForwardedPorts == nil {
			out.ForwardedPorts = map[string][]wire.ForwardedPort{}
		}
		out.ForwardedPorts[p.Service] = append(out.ForwardedPorts[p.Service], wire.ForwardedPort{
			Host: s.opt.PublicHost, Port: uint16(p.External), ExternalPort: p.HostPort, Proto: p.Proto, Name: p.Service})
	}
	writeJSON(w, out)
}

func serviceStatus(v workload.View, name string, count uint32) wire.ServiceStatus {
	st := v.Status.Services[name]
	updated := 0
	for _, r := range st.Replicas {
		if r.Generation == v.Lease.Generation && r.State == runtime.StateRunning {
			updated++
		}
	}
	return wire.ServiceStatus{
		Name: name, Available: int32(st.Ready), Total: int32(max(st.Total, count)), URIs: v.URIs[name],
		ObservedGeneration: int64(v.Status.Generation), Replicas: int32(len(st.Replicas)), UpdatedReplicas: int32(updated),
		ReadyReplicas: int32(st.Ready), AvailableReplicas: int32(st.Ready),
	}
}

func (s *Server) serviceStatus(w http.ResponseWriter, r *http.Request, c caller) {
	name := r.PathValue("service")
	id, ok := s.permitted(w, r, c, auth.ScopeStatus, name)
	if !ok {
		return
	}
	v, err := s.opt.Workload.Lease(r.Context(), id)
	if errors.Is(err, workload.ErrNoLease) {
		http.Error(w, "lease not found", http.StatusNotFound)
		return
	}
	if err != nil {
		s.failed(w, err)
		return
	}
	for _, svc := range v.Group.Services {
		if svc.Name == name {
			writeJSON(w, serviceStatus(v, name, svc.Count))
			return
		}
	}
	http.Error(w, "no such service exists with that name", http.StatusNotFound)
}
