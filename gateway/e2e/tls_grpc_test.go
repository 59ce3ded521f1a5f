package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// TestTLSGRPCInterop runs every case of grpc-go's interoperability client over TLS, to servers with TLS and without. Those
// about credentials get them from a stand-in for Google's services.
func TestTLSGRPCInterop(t *testing.T) {
	t.Parallel()
	interopTool(t, "client")
	for _, upTLS := range []bool{false, true} {
		t.Run(map[bool]string{false: "plaintext server", true: "TLS server"}[upTLS], func(t *testing.T) {
			w, ca := newWorld(t), newAuthority(t)
			caFile := w.tempFile("ca.pem")
			w.write(caFile, []byte(ca.PEM))
			front := func(server string) *running {
				s := grpcSketch(server)
				s.chain = `"tls_context":` + ca.context("", "down.test")
				if upTLS {
					s.cluster += fmt.Sprintf(`,"tls_context":{"status":true,"ca_cert":%q,"server_name":"up.test"}`, ca.PEM)
				}
				return w.start(s.String())
			}
			account := newGoogleAccount(w)
			var suiteArgs []string
			named := []string{"serve", "-token", account.token, "-user", account.email}
			if upTLS {
				chain, key := ca.pair("up.test")
				chainFile, keyFile := w.tempFile("up.pem"), w.tempFile("up.key")
				w.write(chainFile, []byte(chain))
				w.write(keyFile, []byte(key))
				suiteArgs = []string{"--use_tls", "--tls_cert_file", chainFile, "--tls_key_file", keyFile}
				named = append(named, "-chain", chainFile, "-key", keyFile)
			}
			suite := front(w.grpcServer(suiteArgs...))
			knowing := front(w.helper("peer", nil, named...).says(`listening (\S+)`))
			secure := []string{"--use_tls", "--use_test_ca", "--ca_file", caFile, "--server_host_override", "down.test"}
			grpcInterop(t, w, suite, knowing, secure...)

			secure = append(secure, "--oauth_scope", "tests", "--service_account_key_file", account.file,
				"--default_service_account", account.email)
			for _, name := range []string{
				"jwt_token_creds", "service_account_creds", "oauth2_auth_token", "per_rpc_creds", "compute_engine_creds",
			} {
				t.Run(name, func(t *testing.T) { grpcCase(t, knowing, name, account.env, secure...) })
			}
			// These two have no option for the certificates that they trust.
			for name, kind := range map[string]string{
				"google_default_credentials": "google_default_credentials", "compute_engine_channel_credentials": "compute_engine_channel_creds",
			} {
				t.Run(name, func(t *testing.T) {
					grpcCase(t, knowing, name, append(account.env, "SSL_CERT_FILE="+caFile), "--custom_credentials_type", kind,
						"--default_service_account", account.email)
				})
			}
			settle(w, knowing)
		})
	}
}

// A googleAccount is somebody with an account of a service that hands out tokens.
type googleAccount struct {
	email, token string
	file         string   // of the account's key
	env          []string // with which grpc-go asks here and nowhere else
}

func newGoogleAccount(w *world) *googleAccount {
	a := &googleAccount{email: "tests@project.test", token: "a-token-of-the-tests", file: w.tempFile("account.json")}
	host := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/token", "/computeMetadata/v1/instance/service-accounts/default/token":
			rw.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(rw, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, a.token) // a failure shows
		case "/computeMetadata/v1/universe/universe-domain", "/computeMetadata/v1/universe/universe_domain":
			_, _ = io.WriteString(rw, "googleapis.com") // as above
		default:
			http.NotFound(rw, r)
		}
	})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": a.email, "private_key_id": "1", "token_uri": "http://" + host + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(a.file, text)
	a.env = []string{"GCE_METADATA_HOST=" + host, "GOOGLE_APPLICATION_CREDENTIALS=" + a.file}
	return a
}
