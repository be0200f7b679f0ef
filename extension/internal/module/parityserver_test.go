package module

import (
	"crypto/x509"
	"encoding/binary"
	"io"
	"log"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func marshalKey(key any) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) }

// ntlmChallenge is a type 2 message without target information
// (MS-NLMP section 2.2.1.2).
func ntlmChallenge() []byte {
	const unicode, ntlm, extended, targetInfo = 0x1, 0x200, 0x80000, 0x800000
	message := make([]byte, 56+4)
	copy(message, "NTLMSSP\x00")
	message[8] = 2
	binary.LittleEndian.PutUint32(message[16:], 56)
	binary.LittleEndian.PutUint32(message[20:], unicode|ntlm|extended|targetInfo)
	copy(message[24:32], "nonce123")
	binary.LittleEndian.PutUint16(message[40:], 4)
	binary.LittleEndian.PutUint16(message[42:], 4)
	binary.LittleEndian.PutUint32(message[44:], 56)
	return message
}
