package cms

import (
	"bufio"
	"io"
	"sync"
)

// blockBuffer is the unit of work on content: large enough that CBC runs at
// full speed, small enough that many messages at once cost little. It is a
// multiple of every cipher's block.
const blockBuffer = 32 << 10

var buffers = sync.Pool{New: func() any { return new([blockBuffer]byte) }}

func getBuffer() *[blockBuffer]byte { return buffers.Get().(*[blockBuffer]byte) }

// putBuffer clears the buffer first: it held plaintext of a patient's record.
func putBuffer(b *[blockBuffer]byte) {
	clear(b[:])
	buffers.Put(b)
}

var bufferedReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 8<<10) }}

func getBufferedReader(r io.Reader) *bufio.Reader {
	b := bufferedReaders.Get().(*bufio.Reader)
	b.Reset(r)
	return b
}

func putBufferedReader(b *bufio.Reader) {
	b.Reset(nil)
	bufferedReaders.Put(b)
}
