// Package kit runs the vector set of testdata/cms through the agent, in process
// and through the built binary, and holds docs/conformance.md to what is there.
// It has tests alone.
package kit
