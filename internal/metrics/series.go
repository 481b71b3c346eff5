package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// A Kind is what sort of numbers a series has.
type Kind int

// Kinds of series.
const (
	Gauge   Kind = iota // goes up and down
	Counter             // only grows while the process lives; its name ends in "_total"
)

// A Series is one metric, read when somebody asks for it.
type Series struct {
	Name   string // without the prefix "postern_"
	Help   string
	Kind   Kind
	Labels []string
	// Read returns the samples of this moment. It must be quick and may be called
	// by several goroutines at once.
	Read func() []Sample
}

// A Sample is one value with the values of the labels, in their order.
type Sample struct {
	Labels []string
	Value  float64
}

// One returns the only sample of a series without labels.
func One(v float64) []Sample { return []Sample{{Value: v}} }

// Add has the registry serve a series. A name that is there already, or is none
// that Prometheus takes, is an error.
func (r *Registry) Add(s Series) error {
	kind := prometheus.GaugeValue
	if s.Kind == Counter {
		kind = prometheus.CounterValue
	}
	return r.all.Register(collector{
		desc: prometheus.NewDesc("postern_"+s.Name, s.Help, s.Labels, nil), kind: kind, read: s.Read,
	})
}

// A collector is a Series as Prometheus asks for it.
type collector struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() []Sample
}

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) { out <- c.desc }

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.read() {
		m, err := prometheus.NewConstMetric(c.desc, c.kind, s.Value, s.Labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(c.desc, err)
		}
		out <- m
	}
}
