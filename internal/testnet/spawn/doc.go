// Package spawn makes what tests and benchmarks run as processes of their own:
// our binary with its configuration, and Postfix. Unlike its parent it returns
// errors, for a benchmark has no test to fail.
package spawn
