package smtp

import (
	"slices"

	"postern/mime"
	"postern/trust/reason"
)

// maxOthers is how many failures of other hosts are told with a result.
const maxOthers = 8

// A trial is one attempt at the hosts of a destination: what failed of it.
type trial struct {
	attempts int // connections that were asked for
	failures []Result
	worst    int  // of the failures, the one to report
	spoken   bool // one host of it does give service
}

// failed notes a host that did not take part. The failure to report is the newest,
// but a temporary one before a permanent one, for then it is worth trying again.
func (t *trial) failed(f Result) {
	t.spoken = t.spoken || f.Reply != 0 && !f.Down
	t.failures = append(t.failures, f)
	if f.Code.Outcome().Retry || !t.failures[t.worst].Code.Outcome().Retry {
		t.worst = len(t.failures) - 1
	}
}

// results give every recipient the failure to report.
func (t *trial) results(to []mime.Address) []Result {
	if len(t.failures) == 0 {
		return spread(to, local(reason.PeerUnreachable, "", "no host to try"))
	}
	worst := t.failures[t.worst]
	worst.Down = worst.Down && !t.spoken
	t.failures = slices.Delete(t.failures, t.worst, t.worst+1)
	return t.before(spread(to, worst))
}

// before adds what failed to the results of another host.
func (t *trial) before(results []Result) []Result {
	for i := range results {
		results[i].Others = t.failures[:min(len(t.failures), maxOthers)]
	}
	return results
}
