package containerd

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	containerdclient "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	manifestv2 "github.com/akash-supercloud/akash/api/akash/manifest/v2beta3"
)

// errImage is a failure to get an image, in words for the tenant.
type errImage struct {
	text string
	err  error
}

func (e *errImage) Error() string { return e.text }
func (e *errImage) Unwrap() error { return e.err }

// snapshotter is where images are unpacked and root filesystems are made.
const snapshotter = "overlayfs"

// pull asks the registry what the image's name stands for, with the tenant's credentials and
// each time anew (an image that one tenant's credentials fetched mustn't serve another),
// fetches what isn't here yet, and returns the image's digest, under which it is kept. Progress, if not
// nil, is called now and then with the bytes that are here and those of the whole image.
func (rt *Runtime) pull(ctx context.Context, s *manifestv2.Service, progress func(done, total int64)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, rt.opt.PullTimeout)
	defer cancel()
	named, err := reference.ParseDockerRef(s.Image)
	if err != nil {
		return "", &errImage{fmt.Sprintf("%q is no image name: %v", s.Image, err), err}
	}
	ref := named.String()
	guard := &dialGuard{private: rt.opt.AllowPrivateRegistries, proxies: map[string]bool{}}
	if rt.opt.Registry != "" {
		if _, guard.allow, err = splitRegistry(rt.opt.Registry); err != nil {
			return "", err
		}
	}
	creds := s.Credentials
	if creds == nil && s.Params != nil {
		creds = s.Params.Credentials
	}
	resolver := docker.NewResolver(docker.ResolverOptions{Hosts: rt.registries(guard, creds)})
	var tooLarge error
	parts := &parts{}
	limit := func(h images.Handler) images.Handler {
		return images.HandlerFunc(func(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
			children, err := h.Handle(ctx, d)
			if err == nil && images.IsManifestType(d.MediaType) {
				parts.add(children)
				var sum int64
				for _, c := range children {
					if c.Size < 0 || sum > rt.opt.MaxImageBytes-c.Size {
						tooLarge = fmt.Errorf("larger than %s", bytesText(uint64(rt.opt.MaxImageBytes)))
						return nil, tooLarge
					}
					sum += c.Size
				}
			}
			return children, err
		})
	}
	if progress != nil {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		go rt.watchPull(watching, parts, progress)
	}
	img, err := rt.client.Pull(ctx, ref,
		containerdclient.WithResolver(resolver),
		containerdclient.WithPullUnpack,
		containerdclient.WithPullSnapshotter(snapshotter),
		containerdclient.WithImageHandlerWrapper(limit),
	)
	if err != nil {
		if tooLarge != nil {
			err = tooLarge
		}
		return "", pullError(s.Image, reference.Domain(named), guard, err)
	}
	// Kept by its digest too: a restart must find it when the name has moved on.
	digest := img.Target().Digest.String()
	rt.touch(digest)
	rec := images.Image{Name: digest, Target: img.Target(), Labels: map[string]string{"akash.image": ref, labelUsed: strconv.FormatInt(time.Now().Unix(), 10)}}
	if _, err := rt.client.ImageService().Create(ctx, rec); err != nil && !errdefs.IsAlreadyExists(err) {
		return "", fmt.Errorf("the image %s can't be kept: %w", s.Image, err)
	}
	return digest, nil
}

// parts are the pieces that an image is made of, as far as they are known.
type parts struct {
	mu  sync.Mutex
	all []ocispec.Descriptor
}

func (p *parts) add(ds []ocispec.Descriptor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, ds...)
}

// watchPull tells how much of an image is here until ctx ends.
func (rt *Runtime) watchPull(ctx context.Context, p *parts, progress func(done, total int64)) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	here := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		p.mu.Lock()
		all := slices.Clone(p.all)
		p.mu.Unlock()
		var done, total int64
		store := rt.client.ContentStore()
		for _, d := range all {
			total += d.Size
			digest := d.Digest.String()
			if !here[digest] {
				if _, err := store.Info(ctx, d.Digest); err == nil {
					here[digest] = true
				}
			}
			if here[digest] {
				done += d.Size
			} else if st, err := store.Status(ctx, remotes.MakeRefKey(ctx, d)); err == nil {
				done += st.Offset
			}
		}
		if total > 0 && ctx.Err() == nil {
			progress(done, total)
		}
	}
}

// image returns an image that was pulled before, unpacked.
func (rt *Runtime) image(ctx context.Context, digest string) (containerdclient.Image, error) {
	rt.touch(digest)
	img, err := rt.client.GetImage(ctx, digest)
	if err != nil {
		return nil, err
	}
	ok, err := img.IsUnpacked(ctx, snapshotter)
	if err == nil && !ok {
		err = img.Unpack(ctx, snapshotter)
	}
	return img, err
}

// imageConfig reads what an image says of how it is to be run.
func imageConfig(ctx context.Context, img containerdclient.Image) (ocispec.ImageConfig, error) {
	desc, err := img.Config(ctx)
	if err != nil {
		return ocispec.ImageConfig{}, err
	}
	if desc.Size > 8<<20 {
		return ocispec.ImageConfig{}, errors.New("the image's configuration is too large")
	}
	b, err := content.ReadBlob(ctx, img.ContentStore(), desc)
	if err != nil {
		return ocispec.ImageConfig{}, err
	}
	var c ocispec.Image
	err = json.Unmarshal(b, &c)
	return c.Config, err
}

// registries says how a registry named by an image is spoken to.
func (rt *Runtime) registries(guard *dialGuard, creds *manifestv2.ImageCredentials) docker.RegistryHosts {
	client := &http.Client{Transport: guard.transport()}
	return func(host string) ([]docker.RegistryHost, error) {
		h := docker.RegistryHost{
			Client:       client,
			Host:         host,
			Scheme:       "https",
			Path:         "/v2",
			Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve,
		}
		if host == "docker.io" {
			h.Host = "registry-1.docker.io"
		}
		if rt.opt.Registry != "" {
			scheme, mirror, err := splitRegistry(rt.opt.Registry)
			if err != nil {
				return nil, err
			}
			h.Scheme, h.Host = scheme, mirror
		} else if ok, _ := docker.MatchLocalhost(host); ok {
			h.Scheme = "http"
		}
		var secret func(string) (string, string, error)
		if creds != nil && creds.Username != "" && sameRegistry(creds.Host, host) {
			secret = func(string) (string, string, error) { return creds.Username, creds.Password, nil }
		}
		h.Authorizer = docker.NewDockerAuthorizer(docker.WithAuthClient(client), docker.WithAuthCreds(secret))
		return []docker.RegistryHost{h}, nil
	}
}

// sameRegistry says whether credentials given for a host (or URL) are for the image's registry.
func sameRegistry(given, host string) bool {
	given = strings.ToLower(strings.TrimSpace(given))
	if _, rest, ok := strings.Cut(given, "://"); ok {
		given = rest
	}
	given, _, _ = strings.Cut(given, "/")
	hub := func(s string) string {
		switch s {
		case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com", "":
			return "docker.io"
		}
		return s
	}
	return hub(given) == hub(strings.ToLower(host))
}

// dialGuard refuses to connect to addresses that aren't public.
type dialGuard struct {
	private bool
	allow   string // host:port that is allowed always

	mu      sync.Mutex
	refused string // the address that was refused last
	proxies map[string]bool
}

var errPrivate = errors.New("not a public address")

func (g *dialGuard) transport() *http.Transport {
	plain := &net.Dialer{Timeout: 15 * time.Second}
	guarded := &net.Dialer{Timeout: 15 * time.Second, Control: func(_, addr string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(addr)
		if err != nil || !public(ap.Addr()) {
			g.mu.Lock()
			g.refused = addr
			g.mu.Unlock()
			return errPrivate
		}
		return nil
	}}
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Host == g.allow {
				return nil, nil
			}
			u, err := http.ProxyFromEnvironment(r)
			if u != nil {
				g.mu.Lock()
				g.proxies[u.Host] = true
				g.mu.Unlock()
			}
			return u, err
		},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			allow := g.allow
			if allow != "" && !strings.Contains(allow, ":") {
				allow += ":443"
			}
			g.mu.Lock()
			proxy := g.proxies[addr]
			g.mu.Unlock()
			if g.private || addr == allow || g.allow != "" && addr == g.allow+":80" || proxy {
				return plain.DialContext(ctx, network, addr)
			}
			return guarded.DialContext(ctx, network, addr)
		},
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          10,
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		ExpectContinueTimeout: 5 * time.Second,
	}
}

var notPublic = func() []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "::/127", "fc00::/7", "fe80::/10", "ff00::/8", "64:ff9b::/96",
	} {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}()

func public(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// pullError says in plain words why an image can't be had.
func pullError(image, host string, guard *dialGuard, err error) error {
	if host == "docker.io" {
		host = "Docker Hub"
	}
	text := err.Error()
	var netErr net.Error
	var dnsErr *net.DNSError
	words := ""
	switch {
	case errors.Is(err, errPrivate):
		words = fmt.Sprintf("the registry %s is at an address that isn't public (%s)", host, guard.refused)
	case errors.Is(err, docker.ErrInvalidAuthorization), strings.Contains(text, "401 Unauthorized"), strings.Contains(text, "403 Forbidden"),
		strings.Contains(text, "insufficient_scope"), strings.Contains(text, "no basic auth credentials"):
		words = fmt.Sprintf("the registry %s refused the credentials, or the image is private or doesn't exist", host)
	case errdefs.IsNotFound(err) && strings.Contains(text, "no match for platform"):
		words = "the image isn't made for this kind of processor"
	case errdefs.IsNotFound(err), strings.Contains(text, "404 Not Found"):
		words = fmt.Sprintf("it wasn't found at the registry %s", host)
	case strings.Contains(text, "429 Too Many"):
		words = fmt.Sprintf("the registry %s allows no more downloads for now", host)
	case errors.Is(err, syscall.ENOSPC), strings.Contains(text, "no space left"):
		words = "the provider's disk is full"
	case errors.As(err, &dnsErr):
		words = fmt.Sprintf("the registry %s can't be reached: no such host name", host)
	case errors.Is(err, syscall.ECONNREFUSED):
		words = fmt.Sprintf("the registry %s can't be reached: it refuses connections", host)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		words = fmt.Sprintf("the registry %s took too long to answer", host)
	case errors.As(err, new(*net.OpError)):
		words = fmt.Sprintf("the registry %s can't be reached", host)
	case strings.HasPrefix(text, "larger than"):
		words = "it is " + text
	default:
		words = text
	}
	return &errImage{fmt.Sprintf("the image %s can't be fetched: %s", image, words), err}
}
