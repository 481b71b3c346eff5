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

// A Series is one metric, told from a reading of what it is about.
type Series[T any] struct {
	Name   string // without the prefix "postern_"
	Help   string
	Kind   Kind
	Labels []string
	// Samples returns what a reading says. Several goroutines may call it at once.
	Samples func(T) []Sample
}

// A Sample is one value with the values of the labels, in their order.
type Sample struct {
	Labels []string
	Value  float64
}

// Counts is the series of one number that only grows.
func Counts[T any](name, help string, count func(T) uint64) Series[T] {
	return Series[T]{Name: name, Help: help, Kind: Counter, Samples: func(reading T) []Sample {
		return []Sample{{Value: float64(count(reading))}}
	}}
}

// Add has the registry serve series that are of one moment: read is called once
// each time that somebody asks for them, must be quick, and may be called by
// several goroutines at once. A name that is there already, or is none that
// Prometheus takes, is an error; none of the series is then served.
func Add[T any](r *Registry, read func() T, all ...Series[T]) error {
	c := collector[T]{read: read, series: all}
	for _, s := range all {
		c.descs = append(c.descs, prometheus.NewDesc("postern_"+s.Name, s.Help, s.Labels, nil))
	}
	return r.all.Register(c)
}

// A collector is what Add adds, as Prometheus asks for it.
type collector[T any] struct {
	read   func() T
	series []Series[T]
	descs  []*prometheus.Desc // of series
}

// Describe implements prometheus.Collector.
func (c collector[T]) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector[T]) Collect(out chan<- prometheus.Metric) {
	reading := c.read()
	for i, s := range c.series {
		kind := prometheus.GaugeValue
		if s.Kind == Counter {
			kind = prometheus.CounterValue
		}
		for _, sample := range s.Samples(reading) {
			m, err := prometheus.NewConstMetric(c.descs[i], kind, sample.Value, sample.Labels...)
			if err != nil {
				m = prometheus.NewInvalidMetric(c.descs[i], err)
			}
			out <- m
		}
	}
}
