package logging

import (
	"log/slog"
	"strings"
)

const redacted = "***REDACTED***"

// A Secret prints as a mark that something is there.
type Secret string

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// String hides the secret.
func (Secret) String() string { return redacted }

// secretNames are attributes whose values are never printed, without "-" and "_".
var secretNames = []string{"authorization", "proxyauthorization", "cookie", "setcookie", "password", "passwd", "secret",
	"token", "accesstoken", "apikey", "xapikey", "privatekey", "credential"}

func isSecret(key string) bool {
	key = strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(key))
	for _, s := range secretNames {
		if key == s {
			return true
		}
	}
	return false
}
