// Package courier is a file of signed messages, for a way without a network. It never signs or verifies one.
package courier

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"hailong/sync/wire"
	"hailong/vote"
)

// opening is the first line: the messages are of one terminal, in order. After the terminal's name in another line,
// each message is u32be(length) ‖ envelope, and u32be(0) is the end.
const opening = "hailong courier 1"

// Writer writes a courier file. Without End it is a torn one.
type Writer struct{ to *bufio.Writer }

// New begins a courier file.
func New(to io.Writer, terminal vote.TerminalID) (*Writer, error) {
	c := &Writer{bufio.NewWriter(to)}
	_, err := fmt.Fprintf(c.to, "%s\n%s\n", opening, terminal)
	return c, err
}

// Add adds a message.
func (c *Writer) Add(envelope []byte) error {
	if len(envelope) == 0 || len(envelope) > wire.MaxEnvelope {
		return fmt.Errorf("%w: envelope of %d bytes", wire.ErrSize, len(envelope))
	}
	if err := binary.Write(c.to, binary.BigEndian, uint32(len(envelope))); err != nil {
		return err
	}
	_, err := c.to.Write(envelope)
	return err
}

// End ends the file, and hands everything to what lies beneath.
func (c *Writer) End() error {
	if err := binary.Write(c.to, binary.BigEndian, uint32(0)); err != nil {
		return err
	}
	return c.to.Flush()
}

// Read reads a courier file: whose it is, then its messages, the last with an error where the file ends too
// early or is none. Nothing is verified: the messages are as trustworthy as any that come over the network.
func Read(from io.Reader) (vote.TerminalID, iter.Seq2[[]byte, error], error) {
	r := bufio.NewReaderSize(from, 4096)
	first, err1 := r.ReadSlice('\n')
	name, err2 := r.ReadSlice('\n')
	id, err3 := vote.ParseTerminalID(strings.TrimSuffix(string(name), "\n"))
	if strings.TrimSuffix(string(first), "\n") != opening || errors.Join(err1, err2, err3) != nil {
		return "", nil, fmt.Errorf("%w: not a courier file: it begins with %.40q", wire.ErrFormat, first)
	}
	return id, func(yield func([]byte, error) bool) {
		for n := 1; ; n++ {
			message, err := readMessage(r)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("message %d of the courier file: %w", n, err))
				return
			}
			if !yield(message, nil) {
				return
			}
		}
	}, nil
}

// readMessage is io.EOF at the end that was written, and only there.
func readMessage(r *bufio.Reader) ([]byte, error) {
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return nil, fmt.Errorf("%w: the file ends before it", wire.ErrFormat)
	}
	if size > wire.MaxEnvelope {
		return nil, fmt.Errorf("%w: it claims %d bytes", wire.ErrSize, size)
	}
	if size == 0 {
		if _, err := r.ReadByte(); err == nil {
			return nil, fmt.Errorf("%w: there is more behind the end", wire.ErrFormat)
		}
		return nil, io.EOF
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, fmt.Errorf("%w: the file ends within it", wire.ErrFormat)
	}
	return message, nil
}
