package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/xk6-continuity/xk6-continuity/extension/internal/otlp"
	"github.com/xk6-continuity/xk6-continuity/extension/internal/span"
)

// maxLine bounds one line of a file: one export request.
const maxLine = 64 << 20

// FileStats counts what the files held.
type FileStats struct {
	Files    int // that match the pattern
	Lines    int // that were read, empty ones not counted
	Spans    int // handed to the sink
	Rejected int // spans that are unusable for their ids
	Damaged  int // lines that are not OTLP/JSON, or too long

	// Damage says where and what the first damage is; empty when there is none.
	// Spans may be missing because of it, so nothing must be concluded from
	// spans that are absent.
	Damage string
}

// Files reads spans from files of one OTLP/JSON request per line. It can be
// read again and again while the files grow.
type Files struct {
	glob    string
	at      map[string]*position
	decoder *otlp.Decoder
	stats   FileStats

	// EachLine is shown every line that was read without damage, for what the
	// records leave out; may be nil. The bytes are reused.
	EachLine func(line []byte)
}

// position is how far a file has been read.
type position struct {
	name   string
	offset int64
	line   int
}

// NewFiles returns a reader of the files that match a pattern.
func NewFiles(glob string) *Files {
	return &Files{glob: glob, at: make(map[string]*position), decoder: otlp.NewDecoder()}
}

// Stats returns the counts so far.
func (f *Files) Stats() FileStats { return f.stats }

// Poll reads the lines that were completed since the last call. A file that
// does not exist yet is none. The slices given to sink are reused.
func (f *Files) Poll(ctx context.Context, sink func([]span.Record)) error {
	return f.read(ctx, sink, f.appendable)
}

// Finish reads what is left, and takes the end of a file for the end of its
// last line. That no file matches is an error now.
func (f *Files) Finish(ctx context.Context, sink func([]span.Record)) error {
	if err := f.read(ctx, sink, f.complete); err != nil {
		return err
	}
	if f.stats.Files == 0 {
		return fmt.Errorf("source file: no file matches %q", f.glob)
	}
	return nil
}

// lineEnd says what the unended rest of a file is: how much of it to take as a
// line of its own. Nothing while the file may grow, all once it is final.
type lineEnd func(rest []byte) int

func (f *Files) appendable([]byte) int { return 0 }

func (f *Files) complete(rest []byte) int { return len(rest) }

func (f *Files) read(ctx context.Context, sink func([]span.Record), end lineEnd) error {
	names, err := filepath.Glob(f.glob)
	if err != nil {
		return fmt.Errorf("source file: pattern %q: %w", f.glob, err)
	}
	slices.Sort(names)
	f.stats.Files = len(names)
	for _, name := range names {
		if err := f.readFile(ctx, name, sink, end); err != nil {
			return fmt.Errorf("source file: reading %s: %w", name, err)
		}
	}
	return nil
}

// readFile reads one file from where the last call left it. A file that has
// become shorter was replaced, and is read from its start.
func (f *Files) readFile(
	ctx context.Context, name string, sink func([]span.Record), end lineEnd,
) (err error) {
	file, err := os.Open(name) //nolint:gosec // the user names the files
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("is a directory")
	}
	at := f.at[name]
	if at == nil || info.Size() < at.offset {
		at = &position{name: name}
		f.at[name] = at
	}
	if _, err := file.Seek(at.offset, io.SeekStart); err != nil {
		return err
	}
	return f.lines(ctx, at, file, sink, end)
}

// lines decodes line by line.
func (f *Files) lines(
	ctx context.Context, at *position, r io.Reader, sink func([]span.Record), end lineEnd,
) error {
	buf := make([]byte, 0, 1<<20)
	atEOF := false
	for {
		for {
			n := bytes.IndexByte(buf, '\n') + 1
			if n == 0 && atEOF {
				n = end(buf)
			}
			if n == 0 {
				break
			}
			f.line(at, buf[:n], sink)
			buf = buf[n:]
		}
		if atEOF || ctx.Err() != nil {
			return ctx.Err()
		}
		if len(buf) > maxLine {
			return fmt.Errorf("a line exceeds %d bytes", maxLine)
		}
		if cap(buf)-len(buf) < 64<<10 {
			buf = append(make([]byte, 0, max(1<<20, 2*len(buf))), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		atEOF = errors.Is(err, io.EOF)
		if err != nil && !atEOF {
			return err
		}
	}
}

// line decodes one line and moves the position behind it. Lines of other signals hold no spans.
func (f *Files) line(at *position, line []byte, sink func([]span.Record)) {
	at.line++
	at.offset += int64(len(line))
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return
	}
	f.stats.Lines++
	result, err := f.decoder.DecodeJSON(line, sink)
	f.stats.Spans += result.Spans
	f.stats.Rejected += result.Rejected
	if err == nil && result.Rejected > 0 {
		f.damage(at, result.Reason)
	}
	if err != nil {
		f.stats.Damaged++
		f.damage(at, err.Error())
		return
	}
	if f.EachLine != nil {
		f.EachLine(line)
	}
}

func (f *Files) damage(at *position, what string) {
	if f.stats.Damage == "" {
		f.stats.Damage = fmt.Sprintf("%s, line %d: %s", at.name, at.line, what)
	}
}
