package traced

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStatusMessagesHoldNoCredentials has URLs that cannot be parsed: net/url and
// net/http quote them in their errors.
func TestStatusMessagesHoldNoCredentials(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://user:secret@[::1/": `invalid URL: parse "http://REDACTED:REDACTED@[::1/": ` +
			`missing ']' in host`,
		"http://user:secret@h:bad": `invalid URL: parse "http://REDACTED:REDACTED@h:bad": ` +
			`invalid port ":bad" after host`,
		"http://h:bad/?sig=secret": `invalid URL: parse "http://h:bad/?sig=REDACTED": ` +
			`invalid port ":bad" after host`,
		`http://user:"secret@h:bad/?sig=sec"ret&a=b`: `invalid URL: parse ` +
			`"http://REDACTED:REDACTED@h:bad/?sig=REDACTED&a=b": invalid port ":bad" after host`,
	} {
		_, err := url.Parse(raw)
		require.Error(t, err)
		text := fmt.Sprintf("invalid URL: %v", err)
		assert.Equal(t, want, statusMessage(errors.New(text)))
		outer := &url.Error{Op: "Get", URL: raw, Err: errors.New(text)}
		assert.Equal(t, want, statusMessage(outer), "with the URL of the request before it")
	}
	const plain = `dial tcp: lookup "h": no such host`
	assert.Equal(t, plain, statusMessage(errors.New(plain)))
}
