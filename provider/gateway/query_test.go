package gateway

import (
	"net/http"
	"net/url"
	"testing"
)

// What a client writes into its query can't do more than be refused.
func FuzzQueries(f *testing.F) {
	f.Add("service=web&follow=true&tail=10")
	f.Add("cmd0=sh&cmd1=-c&service=web&podIndex=0&tty=1&stdin=1")
	f.Add("service=a,b,&tail=-9999999999999999999")
	f.Add("podIndex=2147483648&tty=&stdin=2")
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}}
		if q, err := parseStream(r); err == nil && (q.tail < -1 || len(q.services) > 100) {
			t.Errorf("%q: %+v", query, q)
		}
		if q, err := parseShell(r); err == nil && (len(q.cmd) == 0 || len(q.cmd) > 1000 || q.service == "" || q.pod < 0) {
			t.Errorf("%q: %+v", query, q)
		}
	})
}
