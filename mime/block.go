package mime

import "sync"

// blockSize is how much a stream of this package holds at a time.
const blockSize = 32 << 10

type block [blockSize]byte

// blocks lends buffers to streams, so that a message costs no new ones.
var blocks = sync.Pool{New: func() any { return new(block) }}
