package provider

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/akash-supercloud/akash/provider/bid"
)

// metrics are what the provider tells Prometheus.
type metrics struct {
	reg     *prometheus.Registry
	bids    *prometheus.CounterVec
	work    *prometheus.CounterVec
	ingress *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		reg:     prometheus.NewRegistry(),
		bids:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "provider_bid", Help: "Orders by what became of them."}, []string{"result"}),
		work:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "provider_deployment", Help: "What was done to workloads."}, []string{"result"}),
		ingress: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "provider_ingress_requests", Help: "Requests to tenants' services."}, []string{"class"}),
	}
	m.reg.MustRegister(m.bids, m.work, m.ingress)
	return m
}

// gauge reports a value that is read when asked for.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

func (m *metrics) count(c *prometheus.CounterVec) func(string) {
	return func(label string) { c.WithLabelValues(label).Inc() }
}

// handler serves the metrics, and for the operator's eyes the last decisions on orders.
func (m *metrics) handler(decisions func() []bid.Decision) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /decisions", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(decisions())
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{}))
	return mux
}
