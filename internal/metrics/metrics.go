// Package metrics counts what a gateway does, for Prometheus. No name of a
// person, an address or a message ever becomes a label: labels are sources,
// outcomes, reason codes and names that the operator gave.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Registry holds the metrics of one gateway. Make one with New.
type Registry struct{ all *prometheus.Registry }

// New returns a registry with what the Go runtime and the process tell.
func New() *Registry {
	r := &Registry{all: prometheus.NewRegistry()}
	r.all.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Handler serves the metrics in the form that Prometheus reads.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.all, promhttp.HandlerOpts{})
}
