package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// dottedBlock is how much of a message is written at once: a record of TLS.
const dottedBlock = 16 << 10

// sendDotted writes the lines of a message to conn as they stand behind DATA (RFC
// 5321 §4.5.2). The library's writer does the same octet by octet, which takes as
// long as to sign and encrypt 100 KiB; it gets no more than the end of the last line,
// or whatever is no line, and sees to the end of the data.
func sendDotted(conn, library io.Writer, message io.Reader) error {
	in, out := bufio.NewReader(message), bufio.NewWriterSize(conn, dottedBlock)
	for end := ""; ; end = "\r\n" {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return lastLine(out, library, in, append([]byte(end), line...), err)
		}
		_, _ = out.WriteString(end)
		if line[0] == '.' {
			_ = out.WriteByte('.')
		}
		_, err = out.Write(bytes.TrimSuffix(line[:len(line)-1], []byte("\r")))
		if err != nil {
			return err
		}
	}
}

// lastLine leaves what remains of a message to the library.
func lastLine(out *bufio.Writer, library io.Writer, in io.Reader, rest []byte, why error) error {
	if why != io.EOF && !errors.Is(why, bufio.ErrBufferFull) {
		return why
	}
	err := out.Flush()
	if err != nil {
		return err
	}
	_, err = io.Copy(library, io.MultiReader(bytes.NewReader(rest), in))
	return err
}
