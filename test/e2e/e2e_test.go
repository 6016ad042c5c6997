// Package e2e tests a whole market through the akash program, with a real chain, real containerd and
// real gVisor: what a person would do, and what can go wrong.
package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/akash-supercloud/akash/examples"
	"github.com/akash-supercloud/akash/test/market"
)

// tenant is what a test has of a deployment of its own.
type tenant struct {
	m     *market.Market
	chain market.Chain
	owner string
}

func key(t *testing.T, m *market.Market, name string) string {
	t.Helper()
	return strings.TrimSpace(m.Run(t, "keys", "show", name, "--address").Stdout)
}

var (
	dseqIn = regexp.MustCompile(`"dseq":\s*"?(\d+)`)
	urlIn  = regexp.MustCompile(`http://[a-z0-9.-]+localhost(:\d+)?`)
)

// deploy runs akash deploy and returns the deployment's number and first URL.
func (c tenant) deploy(t *testing.T, file string, args ...string) (uint64, string) {
	t.Helper()
	r := c.m.Run(t, append([]string{"deploy", file, "--output", "json"}, args...)...)
	dseq, url := dseqIn.FindStringSubmatch(r.Stdout), urlIn.FindString(r.Stdout)
	if dseq == nil || url == "" {
		t.Fatalf("akash deploy named no dseq or URL:\n%s", r.Stdout)
	}
	n, err := strconv.ParseUint(dseq[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("deploy: dseq %d at %s after %.2f s", n, url, r.Took.Seconds())
	return n, url
}

func (c tenant) close(t *testing.T, dseq uint64) {
	t.Helper()
	r := c.m.Run(t, "close", strconv.FormatUint(dseq, 10))
	t.Logf("close: %.2f s", r.Took.Seconds())
}

// nothingLeft waits until the machine has no more traces than before.
func nothingLeft(t *testing.T, home string, before market.Traces) {
	t.Helper()
	began := time.Now()
	market.Eventually(t, 30*time.Second, "nothing is left of the lease", func() error {
		if left := market.Machine(home).Since(before); len(left) > 0 {
			return fmt.Errorf("%d things: %s", len(left), strings.Join(left[:min(8, len(left))], "; "))
		}
		return nil
	})
	t.Logf("nothing of the lease is left on the machine after %.2f s", time.Since(began).Seconds())
}

func write(t *testing.T, content string) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "deploy.yaml")
	if err := os.WriteFile(f, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

// edit is examples/web/deploy.yaml with replacements.
func edit(t *testing.T, oldnew ...string) string {
	t.Helper()
	text := string(examples.Web)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("the example has no %q", oldnew[i])
		}
	}
	return write(t, strings.NewReplacer(oldnew...).Replace(text))
}

// One market for all; each part leaves it as it found it.
func TestMarket(t *testing.T) {
	if ok, why := market.Wanted(); !ok {
		t.Skip(why)
	}
	m := market.New(t)
	m.Prices(t, "2000") // some 380 uact a block
	bare := market.Machine(m.Home)
	t.Logf("akash up: ready after %.2f s", m.Up(t, "--no-demo").Seconds())
	c := tenant{m, m.Chain(t), key(t, m, "tenant")}

	t.Run("life", func(t *testing.T) { life(t, c) })
	t.Run("two services", func(t *testing.T) { twoServices(t, c) })
	t.Run("bad input", func(t *testing.T) { badInput(t, c) })
	t.Run("strangers at the gateway", func(t *testing.T) { foreign(t, c) })
	t.Run("kill the provider while a lease runs", func(t *testing.T) { killRunning(t, c) })
	t.Run("kill the provider while one starts", func(t *testing.T) { killStarting(t, c) })
	t.Run("kill the node", func(t *testing.T) { killNode(t, c) })
	t.Run("down and up again", func(t *testing.T) { downUp(t, c) })
	t.Run("example", func(t *testing.T) { example(t, c) })

	t.Run("remove", func(t *testing.T) {
		m.Stop()
		m.Run(t, "down", "--all", "--home", m.Home)
		if left := market.Machine(m.Home).Since(bare); len(left) > 0 {
			t.Errorf("akash down --all left %d things: %s", len(left), strings.Join(left, "; "))
		}
		if _, err := os.Stat(m.Home); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("akash down --all left %s", m.Home)
		}
	})
}

// From the SDL to a page, an update of environment and image, the end, and every coin accounted for.
func life(t *testing.T, c tenant) {
	before := market.Machine(c.m.Home)
	provider := c.m.State(t).Provider
	act, akt, provAct := c.chain.Balance(t, c.owner, "uact"), c.chain.Balance(t, c.owner, "uakt"), c.chain.Balance(t, provider, "uact")
	fees, _ := c.chain.Fees(t, c.owner)

	dseq, url := c.deploy(t, edit(t, "Hello from akash", "Hello number one"))
	page := market.Page(t, url, "Hello number one")
	if !strings.Contains(page, "gVisor") {
		t.Errorf("the container doesn't find itself in gVisor:\n%s", page)
	}
	id := strconv.FormatUint(dseq, 10)
	if out := c.m.Run(t, "ls").Stdout; !strings.Contains(out, id) {
		t.Errorf("akash ls doesn't list %s:\n%s", id, out)
	}
	if out := c.m.Run(t, "status", id).Stdout; !strings.Contains(out, "web") {
		t.Errorf("akash status doesn't name the service:\n%s", out)
	}
	market.Eventually(t, 10*time.Second, "the request is in the logs", func() error {
		if out := c.m.Run(t, "logs", id).Stdout; !strings.Contains(out, "GET /") {
			return errors.New(out)
		}
		return nil
	})

	began := time.Now()
	c.m.Run(t, "update", id, edit(t, "Hello from akash", "Hello number two"))
	market.Page(t, url, "Hello number two")
	t.Logf("update of the environment: served after %.2f s", time.Since(began).Seconds())

	began = time.Now()
	// The backend's program listens on 9000 and says how often it was asked: another image, another port
	// of the container behind the same endpoint.
	c.m.Run(t, "update", id, edit(t, "examples/web:1", "examples/backend:1", "port: 8080", "port: 9000"))
	market.Page(t, url, "visit ")
	t.Logf("update of the image: served after %.2f s", time.Since(began).Seconds())

	c.chain.NextBlocks(t, 3) // so that there is something to pay
	c.close(t, dseq)
	exact(t, c, dseq, act, akt, provAct, fees)
	nothingLeft(t, c.m.Home, before)
	if code, _, err := market.Get(url); err == nil && code == 200 {
		t.Errorf("%s still answers %d after the deployment was closed", url, code)
	}
}

// exact checks, to the coin, what a deployment cost since the balances given.
func exact(t *testing.T, c tenant, dseq uint64, act, akt, provAct, fees int64) {
	t.Helper()
	leases := c.chain.Leases(t, c.owner, dseq)
	if len(leases) != 1 {
		t.Fatalf("%d leases, want 1", len(leases))
	}
	l := leases[0]
	if l.State != "closed" || l.Closed <= l.Created {
		t.Fatalf("the lease is %s, from block %d to %d", l.State, l.Created, l.Closed)
	}
	rate, err := strconv.ParseFloat(l.Rate, 64) // for a bound only
	if err != nil {
		t.Fatal(err)
	}
	blocks := l.Closed - l.Created
	paid := act - c.chain.Balance(t, c.owner, "uact")
	if paid != l.Withdrawn {
		t.Errorf("the tenant has %d uact less, the lease paid %d", paid, l.Withdrawn)
	}
	// Rounding may only be the fraction of one coin.
	if due := rate * float64(blocks); float64(paid) > due+1e-6 || float64(paid) < due-1 {
		t.Errorf("paid %d uact for %d blocks at %s, which makes %f", paid, blocks, l.Rate, due)
	}
	if got := c.chain.Balance(t, l.Provider, "uact") - provAct; got != paid {
		t.Errorf("the provider has %d uact more, the tenant paid %d", got, paid)
	}
	feesNow, n := c.chain.Fees(t, c.owner)
	if spent := akt - c.chain.Balance(t, c.owner, "uakt"); spent != feesNow-fees {
		t.Errorf("the tenant has %d uakt less, fees were %d", spent, feesNow-fees)
	}
	if feesNow == fees {
		t.Error("no fees were found: this test doesn't look where it should")
	}
	t.Logf("refund exact: %d blocks at %s uact: %d uact; fees %d uakt in %d transactions so far", blocks, l.Rate, paid, feesNow-fees, n)
}

func twoServices(t *testing.T, c tenant) {
	before := market.Machine(c.m.Home)
	dseq, url := c.deploy(t, write(t, string(examples.TwoServices)))
	page := market.Page(t, url, "visit ")
	if !strings.Contains(page, "Hello from two services") {
		t.Errorf("not the page that was deployed:\n%s", page)
	}
	// The backend is nobody else's: it has no URL.
	if out := c.m.Run(t, "status", strconv.FormatUint(dseq, 10), "--output", "json").Stdout; len(slices.Compact(urlIn.FindAllString(out, -1))) > 1 {
		t.Errorf("the private service has a URL too:\n%s", out)
	}
	c.close(t, dseq)
	nothingLeft(t, c.m.Home, before)
}

// A lease's sandboxes are the ones that weren't there before.
func (c tenant) newSandboxes(before map[int]string) map[int]string {
	now := market.Sandboxes(c.m.Home)
	maps.DeleteFunc(now, func(pid int, start string) bool { return before[pid] == start })
	return now
}

func killRunning(t *testing.T, c tenant) {
	before, others := market.Machine(c.m.Home), market.Sandboxes(c.m.Home)
	dseq, url := c.deploy(t, edit(t))
	market.Page(t, url, "Hello")
	boxes := c.newSandboxes(others)
	if len(boxes) != 1 {
		t.Fatalf("%d sandboxes for one replica", len(boxes))
	}
	began := time.Now()
	c.m.Kill(t, "provider")
	market.Page(t, url, "Hello")
	t.Logf("kill -9 of the provider: the page answers again after %.2f s", time.Since(began).Seconds())
	if now := c.newSandboxes(others); !maps.Equal(now, boxes) {
		t.Errorf("the sandbox was %v (pid: start), and is %v after the provider's restart", boxes, now)
	}
	leaseLives(t, c, dseq)
	// And it is the provider's again: it can be asked, changed and ended.
	id := strconv.FormatUint(dseq, 10)
	c.m.Run(t, "status", id)
	c.m.Run(t, "update", id, edit(t, "Hello from akash", "Hello after the crash"))
	market.Page(t, url, "Hello after the crash")
	c.close(t, dseq)
	nothingLeft(t, c.m.Home, before)
}

func leaseLives(t *testing.T, c tenant, dseq uint64) {
	t.Helper()
	l := c.chain.Leases(t, c.owner, dseq)
	if len(l) != 1 || l[0].State != "active" {
		t.Errorf("leases %+v, want one that is active", l)
	}
}

// The provider dies at moments all over a start: each must end in a running lease and no leak.
func killStarting(t *testing.T, c tenant) {
	before := market.Machine(c.m.Home)
	for _, after := range []time.Duration{100 * time.Millisecond, 600 * time.Millisecond, 1100 * time.Millisecond, 1350 * time.Millisecond, 1600 * time.Millisecond, 2 * time.Second} {
		file := edit(t, "Hello from akash", "Hello after "+after.String())
		done := make(chan market.Result, 1)
		go func() { done <- c.m.Try(t, "deploy", file, "--output", "json") }()
		<-time.After(after) // the moment is what is varied
		c.m.Kill(t, "provider")
		r := <-done
		dseq := dseqIn.FindStringSubmatch(r.Stdout + r.Stderr)
		if dseq == nil {
			// It died before anything was on the chain that could be lost.
			t.Fatalf("killed after %v: no deployment was made (exit %d):\n%s%s", after, r.Code, r.Stdout, r.Stderr)
		}
		url := urlIn.FindString(r.Stdout)
		if r.Code != 0 || url == "" {
			t.Fatalf("killed after %v: akash deploy: exit %d\n%s%s\n%s", after, r.Code, r.Stdout, r.Stderr, c.m.Logs())
		}
		market.Page(t, url, "Hello after "+after.String())
		t.Logf("killed %v into a start: the page answers, deploy took %.2f s", after, r.Took.Seconds())
		n, _ := strconv.ParseUint(dseq[1], 10, 64)
		leaseLives(t, c, n)
		c.close(t, n)
		nothingLeft(t, c.m.Home, before)
	}
}

func killNode(t *testing.T, c tenant) {
	before, others := market.Machine(c.m.Home), market.Sandboxes(c.m.Home)
	dseq, url := c.deploy(t, edit(t))
	market.Page(t, url, "Hello")
	boxes, provider := c.newSandboxes(others), c.m.Pid(t, "provider")
	began := time.Now()
	if err := syscall.Kill(c.m.Pid(t, "node"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// While the node is away the page answers, and the client says what is wrong.
	market.Page(t, url, "Hello")
	market.Eventually(t, time.Minute, "the chain makes blocks again", func() error {
		_, err := c.chain.Height()
		return err
	})
	c.chain.NextBlocks(t, 2)
	t.Logf("kill -9 of the node: two new blocks after %.2f s", time.Since(began).Seconds())
	if now := c.m.Pid(t, "provider"); now != provider {
		t.Errorf("the provider was pid %d and is %d: it didn't go on by itself", provider, now)
	}
	if now := c.newSandboxes(others); !maps.Equal(now, boxes) {
		t.Errorf("the sandbox was %v (pid: start), and is %v after the node's restart", boxes, now)
	}
	leaseLives(t, c, dseq)
	c.close(t, dseq) // the provider must see it
	nothingLeft(t, c.m.Home, before)
	// And it bids again.
	dseq, url = c.deploy(t, edit(t))
	market.Page(t, url, "Hello")
	c.close(t, dseq)
	nothingLeft(t, c.m.Home, before)
}

// Ctrl-C stops the market but no container; the next up goes on with the same lease.
func downUp(t *testing.T, c tenant) {
	before, others := market.Machine(c.m.Home), market.Sandboxes(c.m.Home)
	dseq, url := c.deploy(t, edit(t))
	market.Page(t, url, "Hello")
	boxes := c.newSandboxes(others)
	c.m.Stop()
	if now := c.newSandboxes(others); !maps.Equal(now, boxes) || len(now) != 1 {
		t.Errorf("the sandbox was %v (pid: start), and is %v after Ctrl-C", boxes, now)
	}
	// The node is down: one clear sentence and a code.
	r := c.m.Try(t, "ls")
	says(t, r, "no chain answers")

	// Anyone, so far without a coin.
	const poor = "akash1qyqszqgpqyqszqgpqyqszqgpqyqszqgplgve5x"
	t.Logf("akash up again: ready after %.2f s", c.m.Up(t, "--no-demo", "--fund", poor+"=777uakt").Seconds())
	if has := c.chain.Balance(t, poor, "uakt"); has != 777 {
		t.Errorf("--fund left the account with %d uakt, want 777", has)
	}
	market.Page(t, url, "Hello")
	if now := c.newSandboxes(others); !maps.Equal(now, boxes) {
		t.Errorf("the sandbox was %v (pid: start), and is %v after the second up", boxes, now)
	}
	leaseLives(t, c, dseq)
	c.close(t, dseq)
	nothingLeft(t, c.m.Home, before)
}

// With its example, akash up ends with a URL that answers; the next up finds it running. The kill -9 in
// between leaves node and provider without a parent: the next up takes them over.
func example(t *testing.T, c tenant) {
	others := market.Sandboxes(c.m.Home)
	c.m.Stop()
	c.m.Up(t)
	url := exampleURL(t, c.m)
	market.Page(t, url, "gVisor")
	boxes := c.newSandboxes(others)
	if err := syscall.Kill(c.m.Pid(t, "up"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.m.Stop()
	c.m.Up(t)
	if again := exampleURL(t, c.m); again != url {
		t.Errorf("the example was at %s and is at %s: it was deployed anew", url, again)
	}
	if now := c.newSandboxes(others); !maps.Equal(now, boxes) || len(now) != 1 {
		t.Errorf("the sandbox was %v (pid: start), and is %v after the next up", boxes, now)
	}
}

// exampleURL is the last thing that akash up prints.
func exampleURL(t *testing.T, m *market.Market) (url string) {
	t.Helper()
	market.Eventually(t, 10*time.Second, "akash up prints the example's URL", func() error {
		_, after, _ := strings.Cut(m.Output(), "won by auction")
		if url = urlIn.FindString(after); url == "" {
			return errors.New(m.Output())
		}
		return nil
	})
	return url
}

// says checks that a command failed with a short message that has all of parts in it.
func says(t *testing.T, r market.Result, parts ...string) {
	t.Helper()
	text := r.Stderr
	if r.Code == 0 {
		t.Errorf("exit 0, want a failure:\n%s%s", r.Stdout, r.Stderr)
	}
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("the error doesn't say %q:\n%s", p, text)
		}
	}
	if strings.Contains(text, "goroutine ") || strings.Contains(text, "panic") || len(text) > 2000 {
		t.Errorf("not a clear sentence:\n%s", text)
	}
	t.Logf("%s", strings.TrimSpace(text))
}

func badInput(t *testing.T, c tenant) {
	m, before := c.m, market.Machine(c.m.Home)
	act := c.chain.Balance(t, c.owner, "uact")

	t.Run("wrong SDL", func(t *testing.T) {
		r := m.Try(t, "deploy", edit(t, "port: 8080", "port: 0"))
		says(t, r, "deploy.yaml:", "0 is not a port")
	})
	t.Run("no such file", func(t *testing.T) {
		says(t, m.Try(t, "deploy", "/nonexistent/deploy.yaml"), "/nonexistent/deploy.yaml")
	})
	t.Run("port taken", func(t *testing.T) {
		other := market.New(t)
		other.Args = m.Args
		r := other.Try(t, append([]string{"up", "--no-demo", "--home", other.Home}, m.Args...)...)
		says(t, r, "is taken", "--port-offset")
	})
	t.Run("home in use", func(t *testing.T) {
		says(t, m.Try(t, append([]string{"up", "--home", m.Home}, m.Args...)...), "is up", "akash down")
	})
	t.Run("someone's folder", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, m.Try(t, "up", "--reset", "--home", dir), "isn't a market's home")
		if _, err := os.Stat(filepath.Join(dir, "thesis.txt")); err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		return
	}
	if now := c.chain.Balance(t, c.owner, "uact"); now != act || c.chain.Deployments(t, c.owner) != 0 {
		t.Errorf("after refused input the tenant has %d uact (had %d) and %d deployments", now, act, c.chain.Deployments(t, c.owner))
	}
	t.Run("image that isn't there", func(t *testing.T) {
		provider := c.m.State(t).Provider
		act, akt, provAct := c.chain.Balance(t, c.owner, "uact"), c.chain.Balance(t, c.owner, "uakt"), c.chain.Balance(t, provider, "uact")
		fees, _ := c.chain.Fees(t, c.owner)
		none := edit(t, "examples/web:1", "examples/none:1")
		r := m.Try(t, "deploy", none, "--timeout", "5s")
		says(t, r, "examples/none:1", "wasn't found", "was closed")
		exact(t, c, failed(t, r), act, akt, provAct, fees)
		nothingLeft(t, m.Home, before)

		// Kept open, it can be looked at and mended.
		act, akt, provAct = c.chain.Balance(t, c.owner, "uact"), c.chain.Balance(t, c.owner, "uakt"), c.chain.Balance(t, provider, "uact")
		fees, _ = c.chain.Fees(t, c.owner)
		r = m.Try(t, "deploy", none, "--timeout", "5s", "--keep")
		says(t, r, "examples/none:1", "is still open")
		dseq := failed(t, r)
		id := strconv.FormatUint(dseq, 10)
		if out := m.Run(t, "status", id).Stdout; !strings.Contains(out, "examples/none:1") {
			t.Errorf("akash status doesn't say that the image is missing:\n%s", out)
		}
		m.Run(t, "update", id, edit(t))
		market.Eventually(t, 30*time.Second, "the service runs with an image that is there", func() error {
			if out := m.Run(t, "status", id).Stdout; !strings.Contains(out, "1/1") {
				return errors.New(out)
			}
			return nil
		})
		c.close(t, dseq)
		exact(t, c, dseq, act, akt, provAct, fees)
		nothingLeft(t, m.Home, before)
	})
}

// failed is the number of the deployment that a failed akash deploy speaks of.
func failed(t *testing.T, r market.Result) uint64 {
	t.Helper()
	said := regexp.MustCompile(`deployment (\d+)`).FindStringSubmatch(r.Stderr)
	if said == nil {
		t.Fatalf("the failed deployment has no number:\n%s", r.Stderr)
	}
	n, err := strconv.ParseUint(said[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
