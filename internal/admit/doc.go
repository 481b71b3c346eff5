// Package admit says who may come in, and how much of a server one client may
// have: connections by a Gate, requests by a Limiter or a Meter. A Group ends a
// server.
package admit
