// Peer is a gRPC server and clients that the interoperability suite lacks: what a gateway's failures look like to grpc-go,
// and load that goes on while connections come and go.
//
//	peer serve [-age 50ms]                a server: the interop test service, and health; it prints "listening ADDRESS"
//	    [-chain FILE -key FILE]           ... with TLS
//	    [-token T -user U]                ... that knows callers: U by the token T, others by what they say in a JWT
//	peer call -addr A -method M ...       one unary call; prints its code and its message
//	peer health -addr A -service S        prints what the health service says
//	peer load -addr A -workers N -calls N unary calls; prints the number of each code
//	peer streams -addr A -n N             bidirectional streams; prints "open" when each has had an answer, then makes one
//	                                      more exchange on each when a line comes in, closes them, and prints their codes
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: peer serve|call|health|load|streams [flags]")
	}
	commands := map[string]func([]string) error{
		"serve": serve, "call": call, "health": checkHealth, "load": load, "streams": streams,
	}
	run, ok := commands[os.Args[1]]
	if !ok {
		fail("there is no command " + os.Args[1])
	}
	if err := run(os.Args[2:]); err != nil {
		fail(err.Error())
	}
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}

// A service is the interop test service, which has a name, and one more habit.
type service struct {
	testgrpc.TestServiceServer
	token, user string
}

// caller is who the metadata says has made the call. The signature of a JWT is not looked at: it is for the test to know
// that nobody has changed it.
func (s service) caller(md metadata.MD) (string, error) {
	authorization := md.Get("authorization")
	if len(authorization) != 1 {
		return "", status.Errorf(codes.Unauthenticated, "authorization is %q", authorization)
	}
	token, ok := strings.CutPrefix(authorization[0], "Bearer ")
	if ok && token == s.token {
		return s.user, nil
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	parts := strings.Split(token, ".")
	if ok && len(parts) == 3 {
		text, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil && json.Unmarshal(text, &claims) == nil && claims.Issuer != "" {
			return claims.Issuer, nil
		}
	}
	return "", status.Errorf(codes.Unauthenticated, "authorization is %q", authorization)
}

// UnaryCall ignores the deadline and goes on for a while when it is told so in the metadata.
func (s service) UnaryCall(ctx context.Context, in *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if v := md.Get("x-sleep"); len(v) > 0 {
		d, err := time.ParseDuration(v[0])
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		time.Sleep(d)
	}
	out, err := s.TestServiceServer.UnaryCall(ctx, in)
	if err == nil && in.FillServerId {
		out.ServerId = "peer"
	}
	if err == nil && in.FillUsername {
		out.Username, err = s.caller(md)
	}
	return out, err
}

func serve(args []string) error {
	f := flag.NewFlagSet("serve", flag.ExitOnError)
	age := f.Duration("age", 0, "of a connection, after which the server says GOAWAY; 0: never")
	chain := f.String("chain", "", "file of the certificate; empty: no TLS")
	key := f.String("key", "", "file of the certificate's key")
	token := f.String("token", "", "that user shows")
	user := f.String("user", "", "name of who has token")
	f.Parse(args)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var options []grpc.ServerOption
	if *chain != "" {
		creds, err := credentials.NewServerTLSFromFile(*chain, *key)
		if err != nil {
			return err
		}
		options = append(options, grpc.Creds(creds))
	}
	if *age > 0 {
		options = append(options, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: *age}))
	}
	server := grpc.NewServer(options...)
	testgrpc.RegisterTestServiceServer(server, service{interop.NewTestServer(), *token, *user})
	h := health.NewServer()
	h.SetServingStatus("grpc.testing.TestService", grpc_health_v1.HealthCheckResponse_SERVING)
	h.SetServingStatus("sick", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(server, h)
	fmt.Println("listening", l.Addr())
	return server.Serve(l)
}

// dial connects without the retries that grpc-go makes on its own: what the gateway loses is to be seen.
func dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
}

func call(args []string) error {
	f := flag.NewFlagSet("call", flag.ExitOnError)
	addr := f.String("addr", "", "of the gateway")
	method := f.String("method", "/grpc.testing.TestService/UnaryCall", "path of the method")
	timeout := f.Duration("timeout", 0, "the call's deadline; 0: none")
	pairs := f.String("metadata", "", "key=value,key=value")
	size := f.Int("size", 0, "bytes of the request's payload")
	code := f.Int("status", 0, "that the server is asked to end the call with")
	f.Parse(args)
	c, err := dial(*addr)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	for pair := range strings.SplitSeq(*pairs, ",") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			ctx = metadata.AppendToOutgoingContext(ctx, k, v)
		}
	}
	if *timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *timeout)
		defer cancel()
	}
	in := &testgrpc.SimpleRequest{ResponseSize: 10, Payload: interop.ClientNewPayload(testgrpc.PayloadType_COMPRESSABLE, *size)}
	if *code != 0 {
		in.ResponseStatus = &testgrpc.EchoStatus{Code: int32(*code), Message: "as asked"}
	}
	out := new(testgrpc.SimpleResponse)
	err = c.Invoke(ctx, *method, in, out)
	fmt.Printf("%s %s\n", status.Code(err), status.Convert(err).Message())
	return nil
}

func checkHealth(args []string) error {
	f := flag.NewFlagSet("health", flag.ExitOnError)
	addr := f.String("addr", "", "of the gateway")
	name := f.String("service", "", "of which the health is asked")
	f.Parse(args)
	c, err := dial(*addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := grpc_health_v1.NewHealthClient(c).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{Service: *name})
	fmt.Println(status.Code(err), r.GetStatus())
	return nil
}

// A tally counts how calls ended.
type tally struct {
	mu    sync.Mutex
	codes map[string]int
}

func (t *tally) add(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.codes == nil {
		t.codes = map[string]int{}
	}
	name := status.Code(err).String()
	if err != nil && t.codes[name] == 0 {
		fmt.Fprintln(os.Stderr, err) // one of each kind explains the rest
	}
	t.codes[name]++
}

func (t *tally) String() string {
	var all []string
	for name, n := range t.codes {
		all = append(all, fmt.Sprintf("%s=%d", name, n))
	}
	sort.Strings(all)
	return strings.Join(all, " ")
}

func load(args []string) error {
	f := flag.NewFlagSet("load", flag.ExitOnError)
	addr := f.String("addr", "", "of the gateway")
	workers := f.Int("workers", 10, "calls at a time")
	calls := f.Int("calls", 1000, "in all")
	size := f.Int("size", 100, "bytes of each payload")
	f.Parse(args)
	c, err := dial(*addr)
	if err != nil {
		return err
	}
	defer c.Close()
	client := testgrpc.NewTestServiceClient(c)
	in := &testgrpc.SimpleRequest{ResponseSize: int32(*size), Payload: interop.ClientNewPayload(testgrpc.PayloadType_COMPRESSABLE, *size)}
	var t tally
	var all sync.WaitGroup
	for range *workers {
		all.Go(func() {
			for range *calls / *workers {
				out, err := client.UnaryCall(context.Background(), in)
				if err == nil && len(out.GetPayload().GetBody()) != *size {
					err = status.Errorf(codes.DataLoss, "%d bytes", len(out.GetPayload().GetBody()))
				}
				t.add(err)
			}
		})
	}
	all.Wait()
	fmt.Println(&t)
	return nil
}

func streams(args []string) error {
	f := flag.NewFlagSet("streams", flag.ExitOnError)
	addr := f.String("addr", "", "of the gateway")
	n := f.Int("n", 10, "streams")
	f.Parse(args)
	c, err := dial(*addr)
	if err != nil {
		return err
	}
	defer c.Close()
	client := testgrpc.NewTestServiceClient(c)
	exchange := func(s testgrpc.TestService_FullDuplexCallClient) error {
		err := s.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: []*testgrpc.ResponseParameters{{Size: 1000}}})
		if err != nil {
			return err
		}
		_, err = s.Recv()
		return err
	}
	var open []testgrpc.TestService_FullDuplexCallClient
	for range *n {
		s, err := client.FullDuplexCall(context.Background())
		if err == nil {
			err = exchange(s)
		}
		if err != nil {
			return err
		}
		open = append(open, s)
	}
	fmt.Println("open")
	bufio.NewReader(os.Stdin).ReadString('\n')
	var t tally
	for _, s := range open {
		err := exchange(s)
		if err == nil {
			err = s.CloseSend()
		}
		if err == nil {
			if _, end := s.Recv(); end.Error() != "EOF" {
				err = end
			}
		}
		t.add(err)
	}
	fmt.Println(&t)
	return nil
}
